/** Who this browser is to its server: what pairing leaves behind, kept in the browser's database. */
import * as disk from "../disk/disk";
import type { DeviceId, Scope } from "../generated/protocol";
import { Challenges } from "./challenge";
import { sign } from "./key";
import { proofStatement } from "./statements";

export interface Identity {
  readonly deviceId: DeviceId;
  readonly privateKey: CryptoKey;
  readonly publicKey: string;
  /** Any other key is another server. */
  readonly serverKey: string;
  readonly scopes: Scope[];
  readonly pairedAt: number;
}

const KEY = "me";

export function loadIdentity(): Promise<Identity | undefined> {
  return disk.get<Identity>("identity", KEY);
}

export function keepIdentity(identity: Identity): Promise<void> {
  return disk.put("identity", KEY, identity);
}

/** Proves who we are, once for each request. */
export class Prover {
  readonly challenges: Challenges;
  readonly #identity: Identity;

  constructor(identity: Identity) {
    this.#identity = identity;
    this.challenges = new Challenges(identity.serverKey);
  }

  /** What stands behind `Authorization: Afield`. */
  async proof(method: string, target: string): Promise<string> {
    const { deviceId, privateKey } = this.#identity;
    const signing = await this.challenges.next();
    const signature = await sign(privateKey, proofStatement(signing, deviceId, method, target));
    return [deviceId, signing.challenge, signing.time, signing.nonce, signature].join(" ");
  }

  /** The same as a subprotocol: a page can't set headers on an upgrade. */
  async subprotocol(target: string): Promise<string> {
    return `afield.proof.${(await this.proof("GET", target)).replaceAll(" ", ".")}`;
  }
}
