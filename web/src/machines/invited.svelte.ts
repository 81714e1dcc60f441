/** A pairing this screen made or was led to, followed until it is over. The secret is only held here, never kept. */
import type { Pairing, PairingId, Scope } from "../generated/protocol";
import { pairingLink } from "../identity/pairing-link";
import type { App } from "../state/app.svelte";

/** Only here while the page lives: who reloads starts anew. */
export interface Secret {
  readonly link: string;
  /** To type; links have none. */
  readonly code?: string;
}

export type How = "code" | "link" | "runner";

export class Invited {
  pairing = $state.raw<Pairing>();
  secret = $state.raw<Secret>();
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** **Errors**: as `request`. */
  async start(how: How, scopes: Scope[], name: string): Promise<void> {
    if (how === "link") return this.#link(scopes);
    const wanted: Scope[] = how === "runner" ? ["runner"] : scopes;
    const named = name.trim() === "" ? {} : { name: name.trim() };
    const started = await this.#app.request("device_pair_start", { scopes: wanted, ...named });
    this.secret = { link: pairingLink(location.origin, started.secret, started.server_fingerprint), code: started.code };
    this.pairing = started.pairing;
  }

  /** Asks how far it is. **Errors**: as `request`. */
  async look(id: PairingId): Promise<void> {
    this.pairing = await this.#app.request("device_pair_status", { pairing_id: id });
  }

  /** Lets it in for these digits, or refuses it. **Errors**: as `request`. */
  async decide(id: PairingId, digits: string | undefined): Promise<void> {
    const decision = digits === undefined ? { approve: false } : { approve: true, digits };
    this.pairing = await this.#app.request("device_pair_decide", { pairing_id: id, ...decision });
  }

  forget(): void {
    this.pairing = undefined;
    this.secret = undefined;
  }

  async #link(scopes: Scope[]): Promise<void> {
    const made = await this.#app.request("device_link", { scopes });
    this.secret = { link: pairingLink(location.origin, made.secret, made.server_fingerprint) };
    await this.look(made.pairing_id);
  }
}
