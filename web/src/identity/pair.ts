/**
 * Claims a pairing: shows the server this browser's new key and an invitation, and waits until
 * somebody lets it in. A link is let in at once.
 */
import type { DeviceId, PairingId, PairingState, Scope } from "../generated/protocol";
import { Challenges } from "./challenge";
import { refusalOf, Unreachable } from "./failure";
import type { Identity } from "./identity";
import { type DeviceKey, isSignedBy, sign } from "./key";
import type { Invitation } from "./pairing-link";
import { claimStatement, fingerprint, matchDigits, serverStatement, type Signing } from "./statements";

export interface Myself {
  readonly name: string;
  readonly system: string;
  readonly version: string;
}

export type Progress =
  | { readonly is: "waiting"; readonly digits: string; readonly expiresAt: string }
  | { readonly is: "paired"; readonly identity: Identity }
  | { readonly is: "over"; readonly why: "refused" | "locked" };

interface ClaimReply {
  readonly pairing_id: PairingId;
  readonly state: PairingState;
  readonly scopes: Scope[];
  readonly expires_at: string;
  readonly device_id?: DeviceId;
  readonly server_signature: string;
}

/** The server is not the one the link was made for, or can't show that it is. */
export class WrongServer extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WrongServer";
  }
}

/** One claim, or a later question how far it is: the same message with a fresh nonce. */
export class Claimant {
  readonly #challenges = new Challenges();
  readonly #key: DeviceKey;
  readonly #invitation: Invitation;
  readonly #myself: Myself;

  constructor(key: DeviceKey, invitation: Invitation, myself: Myself) {
    this.#key = key;
    this.#invitation = invitation;
    this.#myself = myself;
  }

  /** **Errors**: `Refusal` (the code is wrong, used or over), `Unreachable`, `WrongServer`. */
  async ask(): Promise<Progress> {
    let signing = await this.#challenges.next();
    let response = await this.#send(signing);
    if (response.status === 401) {
      const refusal = await refusalOf(response);
      if (!this.#challenges.renew(refusal.body.details)) throw refusal;
      signing = await this.#challenges.next();
      response = await this.#send(signing);
    }
    if (!response.ok) throw await refusalOf(response);
    return this.#progress((await response.json()) as ClaimReply, signing);
  }

  async #send(signing: Signing): Promise<Response> {
    await this.#checkFingerprint(signing.serverKey);
    const { secret } = this.#invitation;
    const signature = await sign(this.#key.privateKey, claimStatement(signing, this.#key.publicKey, secret));
    const { name, system, version } = this.#myself;
    const claim = {
      secret,
      public_key: this.#key.publicKey,
      challenge: signing.challenge,
      time: new Date(signing.time).toISOString(),
      nonce: signing.nonce,
      signature,
      name,
      kind: "browser",
      about: { system, version },
    };
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(claim) };
    return fetch("/api/v1/pair", init).catch((cause) => {
      throw new Unreachable(cause);
    });
  }

  async #checkFingerprint(serverKey: string): Promise<void> {
    const { fingerprint: expected } = this.#invitation;
    if (expected === undefined || expected === (await fingerprint(serverKey))) return;
    throw new WrongServer("this link was made for another server: the key of the one that answers is not the link's");
  }

  async #progress(reply: ClaimReply, signing: Signing): Promise<Progress> {
    const { publicKey } = this.#key;
    const said = serverStatement(signing, publicKey, reply.pairing_id);
    if (!(await isSignedBy(signing.serverKey, reply.server_signature, said))) {
      throw new WrongServer("the server can't show that it holds the key it names");
    }
    if (reply.state === "refused" || reply.state === "locked") return { is: "over", why: reply.state };
    if (reply.device_id !== undefined) return { is: "paired", identity: this.#identity(reply, reply.device_id, signing.serverKey) };
    const digits = await matchDigits(signing.serverKey, publicKey, reply.pairing_id);
    return { is: "waiting", digits, expiresAt: reply.expires_at };
  }

  #identity(reply: ClaimReply, deviceId: DeviceId, serverKey: string): Identity {
    return { deviceId, ...this.#key, serverKey, scopes: reply.scopes, pairedAt: Date.now() };
  }
}
