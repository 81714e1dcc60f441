/** One action on several commands. */
import type { Command } from "../generated/protocol";
import type { App } from "../state/app.svelte";
import { leaving } from "./leaving.svelte";
import type { Action } from "./may";

/**
 * Does it with all of them, one after the other; what can be taken back is taken back one by one.
 *
 * **Errors**: the first refusal; those before it are done.
 */
export async function doWithAll(app: App, action: Action, commands: readonly Command[], failed: (error: unknown) => void): Promise<void> {
  const ids = commands.map((command) => command.id);
  if (action === "retry") return void (await app.request("command_retry", { command_ids: ids }));
  if (action === "purge") return void (await app.request("command_purge", { command_ids: ids }));
  for (const command of commands) {
    const one = { command_id: command.id };
    if (action === "hold") await app.request("command_hold", one);
    if (action === "release") await app.request("command_release", one);
    if (action === "stop") await app.request("command_cancel", one);
    if (action === "cancel") await leaving.begin(app, command, failed);
  }
}
