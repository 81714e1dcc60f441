/** What can be looked for, as a person calls it. Pure. */
import type { Direction, MessageKind } from "../../generated/protocol";

export interface Kind {
  readonly name: string;
  readonly label: string;
  readonly kind?: MessageKind;
  readonly direction?: Direction;
}

export const KINDS: readonly Kind[] = [
  { name: "said", label: "Everything" },
  { name: "prompts", label: "Prompts", kind: "prompt" },
  { name: "answers", label: "Answers", kind: "text" },
  { name: "tools", label: "Tools", kind: "tool_use" },
  { name: "results", label: "Tool results", kind: "tool_result" },
  { name: "output", label: "Output", kind: "stdout" },
];

export function kindNamed(name: string | null): Kind {
  return KINDS.find((kind) => kind.name === name) ?? { name: "said", label: "Everything" };
}

const WORDS: Partial<Record<MessageKind, string>> = {
  prompt: "prompt",
  text: "answer",
  thinking: "thought",
  tool_use: "tool",
  tool_result: "tool result",
  result: "end of a turn",
  stdout: "output",
  stderr: "error output",
  warning: "warning",
};

export function kindWords(kind: MessageKind): string {
  return WORDS[kind] ?? "system";
}
