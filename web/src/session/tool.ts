/** What a tool was asked, as text. Pure. */
import type { HistoryMessage } from "../generated/protocol";
import { jsonText } from "../text/json";

interface Block {
  type?: unknown;
  id?: unknown;
  input?: unknown;
}

/** The input of the tool use a message is about: one value plainly, several as JSON. */
export function toolInput({ message, tool, text }: HistoryMessage): string {
  const content = (message as { message?: { content?: unknown } } | null)?.message?.content;
  const blocks = Array.isArray(content) ? (content as Block[]) : [];
  const input = blocks.find((block) => block?.type === "tool_use" && (tool === undefined || block.id === tool.id))?.input;
  if (input === undefined || input === null) return text ?? "";
  if (typeof input !== "object") return String(input);
  const values = Object.values(input);
  return values.length === 1 && typeof values[0] === "string" ? values[0] : jsonText(input);
}
