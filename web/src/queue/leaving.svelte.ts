/**
 * Cancelling with time to think again: what waits is held at once, so that it can't start meanwhile,
 * and cancelled a little later. A page that goes away in between leaves it held, which every screen says.
 */
import { SvelteMap } from "svelte/reactivity";
import type { Command, CommandId } from "../generated/protocol";
import type { App } from "../state/app.svelte";

export const UNDO_MS = 6_000;

interface Leaving {
  readonly timer: ReturnType<typeof setTimeout>;
  /** It was held before: taking the wish back leaves it so. */
  readonly wasHeld: boolean;
}

class LeavingOnes {
  readonly #leaving = new SvelteMap<CommandId, Leaving>();

  has(id: CommandId): boolean {
    return this.#leaving.has(id);
  }

  /** Resolves once it is held. `failed` hears of a refusal to cancel it later. **Errors**: as `request`. */
  async begin(app: App, command: Command, failed: (error: unknown) => void): Promise<void> {
    const { id } = command;
    if (this.#leaving.has(id)) return;
    const wasHeld = command.held_by !== undefined;
    if (!wasHeld) await app.request("command_hold", { command_id: id });
    const timer = setTimeout(() => void this.#cancel(app, id).catch(failed), UNDO_MS);
    this.#leaving.set(id, { timer, wasHeld });
  }

  /** **Errors**: as `request`; it is still held then. */
  async undo(app: App, id: CommandId): Promise<void> {
    const found = this.#leaving.get(id);
    if (!found) return;
    clearTimeout(found.timer);
    this.#leaving.delete(id);
    if (!found.wasHeld) await app.request("command_release", { command_id: id });
  }

  async #cancel(app: App, id: CommandId): Promise<void> {
    this.#leaving.delete(id);
    await app.request("command_cancel", { command_id: id });
  }
}

export const leaving = new LeavingOnes();
