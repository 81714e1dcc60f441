/** The order inside each project and what is held, as the world has it. The order is asked for anew when something changes, since no fact tells it. */
import type { CommandId, Hold, Place } from "../generated/protocol";
import type { App } from "../state/app.svelte";
import type { Queue } from "../state/world";
import { moved, placeFor } from "./order";
import { holdOf, type Scope } from "./words";

const LISTED_MAX = 1000;

const NOTHING: Queue = { order: [], holds: [] };

export class QueueKnown {
  /** Said to those who can't see a row move. */
  said = $state("");
  readonly #app: App;
  #asking: Promise<void> | undefined;
  #again = false;

  constructor(app: App) {
    this.#app = app;
  }

  get order(): readonly CommandId[] {
    return this.#queue.order;
  }

  get holds(): readonly Hold[] {
    return this.#queue.holds;
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
    this.#setOrder(moved(before, id, place));
    try {
      await this.#app.request("command_move", { command_id: id, to: place });
      this.said = said;
    } catch (error) {
      this.#setOrder(before);
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

  get #queue(): Queue {
    return this.#app.world.queue ?? NOTHING;
  }

  #setOrder(order: readonly CommandId[]): void {
    this.#app.learnQueue({ ...this.#queue, order });
  }

  async #ask(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const before = this.#app.world.queue;
      const [listed, held] = await Promise.all([this.#app.request("command_list", { waiting: true, limit: LISTED_MAX }), this.#app.request("hold_list")]);
      // What was told meanwhile is newer.
      this.#again ||= this.#app.world.queue !== before;
      this.#app.learnQueue({ order: listed.commands.map((command) => command.id), holds: held.holds });
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
