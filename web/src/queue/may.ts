/** What can be done with a command, by its state. The server decides; this keeps buttons honest. Pure. */
import type { Command } from "../generated/protocol";

export type Action = "edit" | "move" | "hold" | "release" | "cancel" | "stop" | "retry" | "resolve" | "purge";

export function mayDo(command: Command): Action[] {
  const hold: Action = command.held_by === undefined ? "hold" : "release";
  switch (command.state) {
    case "queued":
      return command.kind === "kill" ? ["cancel"] : ["edit", "move", hold, "cancel"];
    case "leased":
      return ["stop"];
    case "running":
      return command.kill_requested_by === undefined ? ["stop"] : [];
    case "interrupted":
      return ["resolve"];
    case "dead":
      return ["retry", "purge"];
    case "failed":
    case "cancelled":
    case "expired":
      return ["retry"];
    case "succeeded":
      return [];
  }
}

/** What all of these have in common. */
export function mayDoWithAll(commands: readonly Command[]): Action[] {
  const [first, ...rest] = commands.map((command) => new Set(mayDo(command)));
  const bulk: Action[] = ["hold", "release", "cancel", "stop", "retry", "purge"];
  return first === undefined ? [] : bulk.filter((action) => first.has(action) && rest.every((others) => others.has(action)));
}
