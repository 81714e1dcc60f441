/** A tool's use and result as the card of the stream shows them. An agent's frames are untrusted. Pure. */
import type { HistoryMessage } from "../generated/protocol";
import type { IconName } from "../parts/icons";
import { fieldsOf, listOf, toolAsk, type ToolAsk } from "../tools/tool";

/** What the tool was asked, by the frame of its use; its summary where the frame was cut. */
export function askOf({ message, tool, text }: HistoryMessage): ToolAsk {
  const content = listOf(fieldsOf(fieldsOf(message)["message"]), "content");
  const block = content.find((one) => one["type"] === "tool_use" && (tool === undefined || one["id"] === tool.id));
  return block === undefined ? { is: "other", input: text ?? "" } : toolAsk(tool?.name ?? "", block["input"]);
}

export interface Face {
  readonly icon: IconName;
  readonly name: string;
}

const FACES: Readonly<Record<Exclude<ToolAsk["is"], "other">, Face>> = {
  command: { icon: "terminal", name: "Command" },
  read: { icon: "file", name: "Read" },
  edit: { icon: "edit", name: "Edit" },
  search: { icon: "search", name: "Search" },
  todo: { icon: "list", name: "To do" },
  agent: { icon: "branch", name: "Sub-agent" },
  fetch: { icon: "globe", name: "Web" },
  plan: { icon: "list", name: "Plan" },
};

export function faceOf(ask: ToolAsk, tool: string): Face {
  if (ask.is === "other") return { icon: "tool", name: tool };
  return ask.is === "edit" && ask.wholeFile ? { icon: "edit", name: "Write" } : FACES[ask.is];
}

export type CallState = "waiting" | "done" | "failed";

export function stateOf(result: HistoryMessage | undefined): CallState {
  if (result === undefined) return "waiting";
  return result.tool?.failed === true ? "failed" : "done";
}

/** Results that only say that it was done tell nothing beside a card that shows what was done. */
export function hasOutput(ask: ToolAsk, result: HistoryMessage | undefined): boolean {
  if (result === undefined || !result.text) return false;
  return result.tool?.failed === true || !(ask.is === "edit" || ask.is === "todo");
}

/** Open without being asked: what went wrong, and what is to do. */
export function opensItself(ask: ToolAsk, state: CallState): boolean {
  return state === "failed" || ask.is === "todo" || ask.is === "plan";
}
