/** What the server knows of the conversation a project is in. */
import type { Session, SessionId } from "../generated/protocol";
import type { App } from "../state/app.svelte";

export class PresentSession {
  #known = $state.raw<Session>();
  #wanted: SessionId | undefined;
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Of the one that was asked for last; of no other. */
  get known(): Session | undefined {
    return this.#known;
  }

  /** Asks for it. What can't be had now is asked for at the next turn or connection. */
  ask(id: SessionId | undefined): void {
    this.#wanted = id;
    if (this.#known?.id !== id) this.#known = undefined;
    if (id === undefined) return;
    this.#app.request("session_get", { session_id: id }).then(
      (session) => {
        if (this.#wanted === id) this.#known = session;
      },
      () => {},
    );
  }
}
