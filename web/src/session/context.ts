/** How full the agent's memory of a conversation is, and what the conversation used. Pure. */
import type { HistoryMessage, Session } from "../generated/protocol";
import { usageFacts } from "./turn";

export interface Context {
  readonly used: number;
  readonly window: number;
}

/** Unknown until the agent told both how much it read last and how much there is room for. */
export function contextOf(session: Session | undefined): Context | undefined {
  const { used_tokens: used, window_tokens: window } = session?.context ?? {};
  return used !== undefined && window !== undefined && window > 0 ? { used, window } : undefined;
}

/** The share of the window that is used, in whole percent. */
export function percent({ used, window }: Context): number {
  return Math.min(100, Math.round((used / window) * 100));
}

/** "3 turns · 57k tokens in, 640 out · $0.04"; empty before the first turn is over. */
export function usedWords({ turns, usage }: Session): string {
  if (turns === 0) return "";
  return [turns === 1 ? "1 turn" : `${turns} turns`, ...usageFacts(usage)].join(" · ");
}

/** What is known of a session changes when a turn begins and when it ends: the newest such message. */
export function edgeOf(messages: readonly HistoryMessage[]): number | undefined {
  return messages.findLast(({ kind }) => kind === "init" || kind === "result")?.seq;
}
