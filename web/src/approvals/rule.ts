/** Rules that spare the next question: what is suggested, what a person makes of it, and what it would cover. Pure. */
import type { Approval, PermissionRule, RuleDestination } from "../generated/protocol";

/** The server takes so many bytes. */
export const RULE_BYTES_MAX = 1_000;

export interface Wish {
  readonly tool: string;
  /** As it stands in the field; empty: the whole tool. */
  readonly content: string;
}

/** What the agent suggests, to begin with; nothing when it suggests no rule. */
export function wishesOf({ kind, rules }: Pick<Approval, "kind" | "rules">): Wish[] {
  return kind === "tool" ? (rules ?? []).map(({ tool, content }) => ({ tool, content: content ?? "" })) : [];
}

export function rulesOf(wishes: readonly Wish[], destination: RuleDestination): PermissionRule[] {
  return wishes.map(({ tool, content }) => (content.trim() === "" ? { tool, destination } : { tool, content: content.trim(), destination }));
}

/** Why a rule can't be, in words; nothing when it can. */
export function refusalOf({ content }: Wish): string | undefined {
  if (new TextEncoder().encode(content).length > RULE_BYTES_MAX) return `A rule has at most ${RULE_BYTES_MAX} bytes.`;
  return /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(content) ? "A rule must not hold hidden characters or line breaks." : undefined;
}

/** What would never be asked again. */
export function coverage({ tool, content }: Wish): string {
  const words = content.trim();
  if (words === "") return `every use of ${tool}, whatever it does`;
  const begin = words.replace(/(\s+|:)\*$/, "");
  if (tool === "Bash" && begin !== words) return `every command that begins with “${begin}”`;
  if (tool === "Bash") return words.includes("*") ? `every command like “${words}”` : `only the command “${words}”`;
  return words.includes("*") ? `${tool} for everything like ${words}` : `${tool} for ${words} alone`;
}

export function placeOf(destination: RuleDestination, machine: string | undefined): string {
  if (destination === "session") return "Ends with this conversation.";
  return `Stays until somebody takes it out of the project's .claude/settings.local.json${machine === undefined ? "" : ` on ${machine}`}.`;
}
