/** Commands an agent knows, as it told them when its session began. Pure. */
import type { HistoryMessage } from "../generated/protocol";
import { fieldsOf } from "../tools/tool";

const SHOWN_MAX = 6;

/** The agent's own commands, of the newest beginning of a session; none where it tells none. */
export function slashCommands(messages: readonly HistoryMessage[]): string[] {
  const listed = newestInit(messages)["slash_commands"];
  return Array.isArray(listed) ? listed.filter((one): one is string => typeof one === "string" && one !== "") : [];
}

/** When the agent asks, by its own word at the beginning of the newest session. */
export function toldMode(messages: readonly HistoryMessage[]): string | undefined {
  const mode = newestInit(messages)["permissionMode"];
  return typeof mode === "string" ? mode : undefined;
}

/** Those a text may be the beginning of. */
export function suggested(commands: readonly string[], text: string): string[] {
  if (!/^\/\S*$/.test(text)) return [];
  const begun = text.slice(1).toLowerCase();
  return commands.filter((command) => command.toLowerCase().startsWith(begun) && command !== text.slice(1)).slice(0, SHOWN_MAX);
}

function newestInit(messages: readonly HistoryMessage[]): Readonly<Record<string, unknown>> {
  return fieldsOf(messages.findLast((message) => message.kind === "init")?.message);
}
