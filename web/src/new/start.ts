/** When it will start, said before it is sent. Pure. */
import type { RunnerState } from "../generated/protocol";
import { visible } from "../text/visible";

/** `before`: what waits or runs in the same project. `live`: there is a connection. */
export function startWords(runner: RunnerState | undefined, before: number, live: boolean): string {
  if (!live) return "Kept on this device until there is a connection, then sent once.";
  if (runner === undefined) return "Starts as soon as it can.";
  const name = visible(runner.name);
  if (!runner.online) return `${name} is away: it waits on the server and starts when ${name} is back.`;
  return before === 0 ? `Starts at once on ${name}.` : `Starts on ${name} after ${before === 1 ? "the one" : before} that ${before === 1 ? "waits or runs" : "wait or run"} there.`;
}
