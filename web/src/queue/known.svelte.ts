/** What no fact tells about the queue: the order inside each project, and what is held. Asked for anew when something changes. */
import type { CommandId, Hold, Place } from "../generated/protocol";
import type { App } from "../state/app.svelte";
import { moved, placeFor } from "./order";
import { holdOf, type Scope } from "./words";

const LISTED_MAX = 1000;

export class QueueKnown {
  order = $state.raw<CommandId[]>([]);
  holds = $state.raw<Hold[]>([]);
  /** Said to those who can't see a row move. */
  said = $state("");
  readonly #app: App;
  #asking: Promise<void> | undefined;
  #again = false;

  constructor(app: App) {
    this.#app = app;
  }

  /** Asks anew; what changes meanwhile leads to one more question, not to many. */
  async refresh(): Promise<void> {
    this.#again = true;
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    await this.#asking;
  }

  /** Puts one beside another at once, and as the server has it once that answered. **Errors**: as `request`. */
  async move(ids: readonly CommandId[], from: number, to: number): Promise<void> {
    const [id, place] = [ids[from], placeFor(ids, from, to)];
    if (id === undefined || place === undefined) return;
    await this.put(id, place, `Now number ${to + 1} of ${ids.length}.`);
  }

  async put(id: CommandId, place: Place, said: string): Promise<void> {
    const before = this.order;
    this.order = moved(before, id, place);
    try {
      await this.#app.request("command_move", { command_id: id, to: place });
      this.said = said;
    } catch (error) {
      this.order = before;
      throw error;
    }
    await this.refresh();
  }

  /** Holds, or lets go. **Errors**: as `request`. */
  async setHeld(scope: Scope, held: boolean): Promise<void> {
    await this.#app.request(held ? "command_hold" : "command_release", scope);
    await this.refresh();
  }

  isHeld(scope: Scope): boolean {
    return holdOf(this.holds, scope) !== undefined;
  }

  async #ask(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const [listed, held] = await Promise.all([this.#app.request("command_list", { waiting: true, limit: LISTED_MAX }), this.#app.request("hold_list")]);
      this.order = listed.commands.map((command) => command.id);
      this.holds = held.holds;
    }
  }
}

const known = new WeakMap<App, QueueKnown>();

/** The one of an app: list and detail show the same. */
export function queueOf(app: App): QueueKnown {
  const found = known.get(app) ?? new QueueKnown(app);
  known.set(app, found);
  return found;
}
