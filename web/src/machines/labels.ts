/** The labels of a machine: those its owner gave it, and those its own policy has. Pure. */
import type { RunnerState } from "../generated/protocol";

export interface Label {
  readonly word: string;
  /** Given here, and not by the machine's own policy. */
  readonly given: boolean;
}

export function labelsOf({ labels = [], facts }: RunnerState): Label[] {
  const own = (facts?.labels ?? []).filter((word) => !labels.includes(word));
  return [...labels.map((word) => ({ word, given: true })), ...own.map((word) => ({ word, given: false }))];
}

/** All labels after one was added. What is no label, the server says. */
export function withLabel({ labels = [] }: RunnerState, typed: string): string[] {
  const word = typed.trim();
  return word === "" || labels.includes(word) ? [...labels] : [...labels, word];
}

export function withoutLabel({ labels = [] }: RunnerState, word: string): string[] {
  return labels.filter((one) => one !== word);
}
