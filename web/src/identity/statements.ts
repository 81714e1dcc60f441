/**
 * The texts that are signed, and what is computed from them (docs/PROTOCOL.md, Proofs and Pairing).
 *
 * Pure: signing is `key.ts`, sending is `rest.ts` and `pair.ts`.
 */
import { hex, sha256 } from "./bytes";

export interface Signing {
  readonly serverKey: string;
  readonly challenge: string;
  /** Unix milliseconds by the server's clock. */
  readonly time: number;
  readonly nonce: string;
}

export function proofStatement({ serverKey, challenge, time, nonce }: Signing, deviceId: string, method: string, target: string): string {
  return ["afield-proof-v1", serverKey, challenge, deviceId, time, nonce, `${method} ${target}`].join("\n");
}

export function claimStatement({ serverKey, challenge, time, nonce }: Signing, publicKey: string, secret: string): string {
  return ["afield-claim-v1", serverKey, challenge, publicKey, time, nonce, secret].join("\n");
}

export function serverStatement({ serverKey, nonce }: Signing, publicKey: string, pairingId: string): string {
  return ["afield-server-v1", serverKey, publicKey, nonce, pairingId].join("\n");
}

/** What the link of a pairing names the server by. */
export async function fingerprint(serverKey: string): Promise<string> {
  return hex(await sha256(serverKey));
}

/** The two digits both screens show. */
export async function matchDigits(serverKey: string, publicKey: string, pairingId: string): Promise<string> {
  const hash = await sha256(["afield-match-v1", serverKey, publicKey, pairingId].join("\n"));
  return (new DataView(hash).getBigUint64(0) % 100n).toString().padStart(2, "0");
}
