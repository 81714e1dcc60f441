/** What the end of a turn tells, and how far one's own words came. Pure. */
import type { Command, HistoryMessage, TokenUsage } from "../generated/protocol";
import { duration, money } from "../text/age";
import { visible } from "../text/visible";

interface ResultFrame {
  duration_ms?: unknown;
  is_error?: unknown;
  subtype?: unknown;
  terminal_reason?: unknown;
}

/** "3.2 s · 57k tokens in, 640 out · $0.04"; empty when the agent tells nothing. */
export function turnFacts({ message, news }: HistoryMessage): string {
  const { duration_ms } = (message ?? {}) as ResultFrame;
  return [
    ...(typeof duration_ms === "number" ? [duration(duration_ms)] : []),
    // The agent's own frame has the cost of all turns so far; the machine told that of this one.
    ...(news !== undefined && "ended" in news ? usageFacts(news.ended.usage) : []),
  ].join(" · ");
}

/** Tokens and cost, as far as there are any; what came from a cache was read as well. */
export function usageFacts({ input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd }: TokenUsage): string[] {
  const read = input_tokens + cache_read_tokens + cache_write_tokens;
  return [
    ...(read + output_tokens > 0 ? [`${count(read)} tokens in, ${count(output_tokens)} out`] : []),
    ...(cost_usd ? [money(cost_usd)] : []),
  ];
}

/** "640", "1.2k", "57k", "1.2M". */
export function count(tokens: number): string {
  const scaled = (of: number, unit: string) => `${of < 10 ? of.toFixed(1) : Math.round(of)}${unit}`;
  if (tokens < 1_000) return String(tokens);
  return tokens < 999_500 ? scaled(tokens / 1_000, "k") : scaled(tokens / 1_000_000, "M");
}

export interface TurnEnd {
  readonly is: "done" | "interrupted" | "failed";
  readonly text: string;
}

/** How a turn ended, in words. Agents mark what a person interrupted as an error; it is none. */
export function turnEnd(result: HistoryMessage, command: Command | undefined): TurnEnd {
  if (((result.message ?? {}) as ResultFrame).is_error !== true) return { is: "done", text: "Done" };
  if (wasInterrupted(result, command)) return { is: "interrupted", text: "Interrupted" };
  return { is: "failed", text: result.text ? `Ended with an error: ${visible(result.text)}` : "Ended with an error" };
}

/** By the agent's own word, by how its command ended, or because no error is told that it could be. */
function wasInterrupted({ message, text }: HistoryMessage, command: Command | undefined): boolean {
  const { terminal_reason: reason, subtype } = (message ?? {}) as ResultFrame;
  if (typeof reason === "string" && reason.startsWith("aborted_")) return true;
  if (command?.state === "cancelled" || command?.outcome?.kind === "cancelled" || command?.outcome?.kind === "killed") return true;
  // Others tell by their kind what they were, such as a limit of turns.
  return !text && (subtype === undefined || subtype === "error_during_execution");
}

export interface Delivery {
  readonly text: string;
  readonly icon: "clock" | "check" | "alert" | "offline";
  readonly tone: "calm" | "warn" | "bad";
}

const WAITS: Partial<Record<string, string>> = {
  time: "on the server, waits for its time",
  hold: "on the server, held",
  order: "on the server, waits its turn",
  slot: "on the server, waits for a free place",
  runner: "on the server, waits for the machine",
  limit: "on the server, waits for the agent's limit to end",
};

/** The chain of a command, in the words of its latest step. */
export function delivery({ state, waiting_for, outcome }: Command): Delivery {
  switch (state) {
    case "queued":
      return { text: WAITS[waiting_for ?? ""] ?? "on the server", icon: "clock", tone: "calm" };
    case "leased":
      return { text: "given to the machine", icon: "clock", tone: "calm" };
    case "running":
      return { text: "the agent has it", icon: "check", tone: "calm" };
    case "succeeded":
      return { text: "done", icon: "check", tone: "calm" };
    case "interrupted":
      return { text: "interrupted, outcome unknown", icon: "alert", tone: "warn" };
    case "cancelled":
      return { text: "cancelled", icon: "alert", tone: "calm" };
    case "expired":
      return { text: "expired, never started", icon: "alert", tone: "warn" };
    case "failed":
    case "dead":
      return { text: outcome?.code ? `${state}: ${outcome.code}` : state, icon: "alert", tone: "bad" };
  }
}
