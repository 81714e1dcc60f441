/** The conversations of a project, as far as this app knows its history. Pure. */
import type { HistoryMessage, SessionId } from "../generated/protocol";

export interface Conversation {
  readonly id: SessionId;
  /** The first thing a person said in it, as far as it is known. */
  readonly begun: string | undefined;
  readonly last: string;
}

/** The one that was spoken in last comes first. */
export function conversations(messages: readonly HistoryMessage[]): Conversation[] {
  const found = new Map<SessionId, Conversation>();
  for (const { session_id, kind, text, timestamp } of messages) {
    if (session_id === undefined) continue;
    const known = found.get(session_id);
    found.set(session_id, { id: session_id, begun: known?.begun ?? (kind === "prompt" ? text : undefined), last: timestamp });
  }
  return [...found.values()].sort((a, b) => (a.last < b.last ? 1 : -1));
}
