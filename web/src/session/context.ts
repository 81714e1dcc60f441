/** How full the agent's memory of the conversation is, by what its frames tell. Pure. */
import type { HistoryMessage } from "../generated/protocol";
import { fieldsOf } from "../tools/tool";
import { tokensOf } from "./turn";

export interface Context {
  readonly used: number;
  readonly window: number;
}

/** Frames looked at, from the newest: what is older is not of this turn or the one before. */
const LOOKED_AT_MAX = 2_000;

/** Unknown until the agent told both how much it read last and how much there is room for. */
export function contextOf(messages: readonly HistoryMessage[]): Context | undefined {
  let used: number | undefined;
  let window: number | undefined;
  const session = messages.at(-1)?.session_id;
  for (let index = messages.length - 1; index >= Math.max(messages.length - LOOKED_AT_MAX, 0); index--) {
    const message = messages[index];
    if (message === undefined || (session !== undefined && message.session_id !== undefined && message.session_id !== session)) break;
    used ??= usedBy(message);
    window ??= message.kind === "result" ? windowOf(message.message) : undefined;
    if (used !== undefined && window !== undefined) return { used, window };
  }
  return undefined;
}

/** The share of the window that is used, in whole percent. */
export function percent({ used, window }: Context): number {
  return Math.min(100, Math.round((used / window) * 100));
}

/** A sub-agent has a memory of its own. */
function usedBy({ kind, parent, message }: HistoryMessage): number | undefined {
  if (parent !== undefined || !["text", "thinking", "tool_use"].includes(kind)) return undefined;
  const { taken, given } = tokensOf(fieldsOf(fieldsOf(message)["message"])["usage"]);
  return taken + given > 0 ? taken + given : undefined;
}

function windowOf(frame: unknown): number | undefined {
  const models = Object.values(fieldsOf(fieldsOf(frame)["modelUsage"]));
  const windows = models.map((model) => fieldsOf(model)["contextWindow"]).filter((size): size is number => typeof size === "number" && size > 0);
  return windows.length === 0 ? undefined : Math.max(...windows);
}
