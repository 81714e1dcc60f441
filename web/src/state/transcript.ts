/**
 * The messages of one project: pages of history and live messages, put into one order, with an
 * exact account of what is known. What is not known between two known parts is a gap.
 *
 * Pure.
 */
import type { AgentMessage, CommandId, GetMessagesReply, HistoryMessage } from "../generated/protocol";
import type { TopicEvent } from "../link/wire";
import { cut, from, holes, type Span, withSpan } from "./spans";

/** What the agent is saying at this moment; the whole message replaces it. */
export interface Streaming {
  readonly commandId: CommandId | undefined;
  readonly thinking: boolean;
  readonly text: string;
}

export interface Transcript {
  /** In the order of their numbers. */
  readonly messages: readonly HistoryMessage[];
  /** Events of which every message is in `messages`. */
  readonly known: readonly Span[];
  /** Events the server can't read any more. */
  readonly lost: readonly Span[];
  readonly streaming: Streaming | undefined;
}

export type Row =
  | { readonly is: "message"; readonly key: string; readonly message: HistoryMessage }
  /** Messages that exist and were not loaded. */
  | { readonly is: "gap"; readonly key: string; readonly span: Span }
  /** Messages nobody can load any more. */
  | { readonly is: "lost"; readonly key: string; readonly span: Span };

export const NOTHING: Transcript = { messages: [], known: [], lost: [], streaming: undefined };

/** Messages held at once; older ones are loaded again when somebody scrolls there. */
export const MESSAGES_MAX = 12_000;
const STREAMING_MAX = 64 * 1024;

/** What a page was asked for: the newest before `before`, or the oldest after `after`. */
export interface PageAsk {
  readonly before?: number;
  readonly after?: number;
}

export function withPage(transcript: Transcript, ask: PageAsk, page: GetMessagesReply): Transcript {
  const known = withSpan(transcript.known, covered(ask, page));
  const lost = page.gaps.reduce((spans, [first, last]) => withSpan(spans, { first, last }), transcript.lost);
  return { ...transcript, messages: merged(transcript.messages, page.messages), known, lost };
}

/** Takes live events, all of this project's topic, in order. What was being said by a command that is over stays unsaid. */
export function withEvents(transcript: Transcript, events: readonly TopicEvent[]): Transcript {
  let { streaming } = transcript;
  const added: HistoryMessage[] = [];
  for (const { fact, seq } of events) {
    if (fact.type === "command_state" && fact.data.state !== "running" && fact.data.id === streaming?.commandId) streaming = undefined;
    if (fact.type !== "agent_message") continue;
    streaming = streamed(streaming, fact.data);
    if (seq !== undefined) added.push({ ...fact.data, seq });
  }
  const known = runs(events).reduce(withSpan, transcript.known);
  return bounded({ ...transcript, known, streaming, messages: merged(transcript.messages, added) });
}

/** Without events that will not come, or that a server which was put back to an earlier state never had. */
export function withoutSpan(transcript: Transcript, { first, last }: Span): Transcript {
  const messages = transcript.messages.filter(({ seq }) => seq < first || seq > last);
  return { ...transcript, messages, known: cut(transcript.known, { first, last }), streaming: undefined };
}

export function rows({ messages, known, lost }: Transcript): Row[] {
  const between = [
    ...holes(known).map((span) => ({ is: "gap" as const, span, key: `gap-${span.first}` })),
    ...lost.map((span) => ({ is: "lost" as const, span, key: `lost-${span.first}` })),
  ].sort((a, b) => a.span.first - b.span.first);
  if (between.length === 0) return messages.map(rowOf);
  const all: Row[] = [];
  let next = 0;
  for (const message of messages) {
    for (let gap = between[next]; gap && gap.span.first < message.seq; gap = between[++next]) all.push(gap);
    all.push(rowOf(message));
  }
  return [...all, ...between.slice(next)];
}

/** Whether something older than all of this can be loaded. */
export function hasOlder({ known }: Transcript): boolean {
  return (known[0]?.first ?? 1) > 1;
}

/** The number to ask for what is older. */
export function oldest({ known }: Transcript): number | undefined {
  return known[0]?.first;
}

/** Rows of messages stay the same objects: ten thousand of them are asked for with every picture. */
const made = new WeakMap<HistoryMessage, Row>();

function rowOf(message: HistoryMessage): Row {
  const known = made.get(message);
  if (known) return known;
  const row: Row = { is: "message", key: `m-${message.seq}`, message };
  made.set(message, row);
  return row;
}

/** The numbers of events as spans: a burst is one. */
function runs(events: readonly TopicEvent[]): Span[] {
  const found: Span[] = [];
  for (const { seq } of events) {
    if (seq === undefined) continue;
    const last = found.at(-1);
    if (last?.last === seq - 1) found[found.length - 1] = { first: last.first, last: seq };
    else found.push({ first: seq, last: seq });
  }
  return found;
}

function covered({ before, after }: PageAsk, page: GetMessagesReply): Span {
  if (after !== undefined) return { first: after + 1, last: page.more ? (page.messages.at(-1)?.seq ?? after) : page.seq };
  const last = before === undefined ? page.seq : before - 1;
  return { first: page.more ? (page.messages[0]?.seq ?? last + 1) : 1, last };
}

function merged(known: readonly HistoryMessage[], added: readonly HistoryMessage[]): readonly HistoryMessage[] {
  if (added.length === 0) return known;
  const end = known.at(-1)?.seq ?? 0;
  if ((added[0]?.seq ?? 0) > end) return [...known, ...added];
  const bySeq = new Map([...known, ...added].map((message) => [message.seq, message]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

function bounded(transcript: Transcript): Transcript {
  const over = transcript.messages.length - MESSAGES_MAX;
  if (over <= 0) return transcript;
  const messages = transcript.messages.slice(over);
  return { ...transcript, messages, known: from(transcript.known, messages[0]?.seq ?? 1) };
}

function streamed(before: Streaming | undefined, message: AgentMessage): Streaming | undefined {
  if (message.kind === "progress") return before;
  if (message.kind !== "partial") return undefined;
  if (!message.text) return before;
  const thinking = isThinking(message.message);
  const goesOn = before?.commandId === message.command_id && before?.thinking === thinking;
  const text = ((goesOn ? before?.text : "") ?? "") + message.text;
  return { commandId: message.command_id, thinking, text: text.slice(-STREAMING_MAX) };
}

function isThinking(frame: unknown): boolean {
  const delta = (frame as { event?: { delta?: { type?: string } } } | null)?.event?.delta;
  return delta?.type === "thinking_delta";
}
