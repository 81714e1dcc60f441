import { describe, expect, it } from "vitest";
import type { Command, GetMessagesReply, HistoryMessage, MessageKind } from "../generated/protocol";
import type { TopicEvent } from "../link/wire";
import { ending } from "./snapshot";
import { hasOlder, MESSAGES_MAX, NOTHING, oldest, rows, withEvents, withoutSpan, withPage } from "./transcript";

const message = (seq: number, kind: MessageKind = "text", text = `m${seq}`): HistoryMessage => ({
  seq,
  timestamp: "2026-01-01T00:00:00Z",
  direction: "claude",
  kind,
  command_id: "c",
  text,
  message: {},
});
const page = (seqs: number[], more: boolean, seq: number, gaps: [number, number][] = []): GetMessagesReply => ({
  messages: seqs.map((one) => message(one)),
  more,
  seq,
  gaps,
});
const live = (seq: number | undefined, kind: MessageKind = "text", text = `m${seq}`): TopicEvent => {
  const { seq: _, ...data } = message(seq ?? 0, kind, text);
  return { topic: "project:p", at: data.timestamp, project_id: "p", fact: { type: "agent_message", data }, ...(seq === undefined ? {} : { seq }) };
};
const shown = (transcript: Parameters<typeof rows>[0]) => rows(transcript).map((row) => (row.is === "message" ? row.message.seq : `${row.is} ${row.span.first}-${row.span.last}`));

describe("a transcript", () => {
  it("puts pages and live messages into one order, each once", () => {
    let transcript = withPage(NOTHING, {}, page([8, 9], true, 10));
    transcript = withEvents(transcript, [live(11), live(12)]);
    transcript = withPage(transcript, { before: 8 }, page([3, 5], false, 12));
    transcript = withPage(transcript, {}, page([8, 9, 11, 12], true, 12));
    expect(shown(transcript)).toEqual([3, 5, 8, 9, 11, 12]);
    expect(hasOlder(transcript)).toBe(false);
  });

  it("knows what is older than its beginning", () => {
    const transcript = withPage(NOTHING, {}, page([8, 9], true, 10));
    expect(hasOlder(transcript)).toBe(true);
    expect(oldest(transcript)).toBe(8);
  });

  it("shows what is not known between two parts, until it is loaded", () => {
    const early = withPage(NOTHING, {}, page([8, 9], true, 10));
    const late = withPage(early, {}, page([40, 41], true, 42));
    expect(shown(late)).toEqual([8, 9, "gap 11-39", 40, 41]);
    const half = withPage(late, { before: 40 }, page([30, 35], true, 42));
    expect(shown(half)).toEqual([8, 9, "gap 11-29", 30, 35, 40, 41]);
    expect(shown(withPage(half, { before: 30 }, page([9, 20], true, 42)))).toEqual([8, 9, 20, 30, 35, 40, 41]);
  });

  it("shows live messages that skipped numbers as a gap", () => {
    const transcript = withEvents(withPage(NOTHING, {}, page([1, 2], false, 2)), [live(3), live(7)]);
    expect(shown(transcript)).toEqual([1, 2, 3, "gap 4-6", 7]);
  });

  it("says what nobody can read any more", () => {
    expect(shown(withPage(NOTHING, {}, page([1, 9], false, 9, [[3, 5]])))).toEqual([1, "lost 3-5", 9]);
  });

  it("streams what is being said until the whole of it is there", () => {
    let transcript = withPage(NOTHING, {}, page([1], false, 1));
    transcript = withEvents(transcript, [live(undefined, "partial", "Hel"), live(undefined, "partial", "lo")]);
    expect(transcript.streaming?.text).toBe("Hello");
    expect(shown(transcript)).toEqual([1]);
    transcript = withEvents(transcript, [live(2, "text", "Hello")]);
    expect(transcript.streaming).toBeUndefined();
  });

  it("drops the oldest beyond its bound, and knows that it did", () => {
    const events = Array.from({ length: MESSAGES_MAX + 10 }, (_, index) => live(index + 1));
    const transcript = withEvents(NOTHING, events);
    expect(transcript.messages).toHaveLength(MESSAGES_MAX);
    expect(oldest(transcript)).toBe(11);
    expect(hasOlder(transcript)).toBe(true);
  });

  it("keeps its end on the disk, and knows that it is only the end", () => {
    const events = Array.from({ length: 300 }, (_, index) => live(index + 1));
    const kept = ending(withEvents(NOTHING, events));
    expect(kept.messages).toHaveLength(200);
    expect(oldest(kept)).toBe(101);
  });

  it("leaves unsaid what was being said by a command that is over", () => {
    const state = (id: string, is: Command["state"]): TopicEvent => ({ topic: "project:p", at: "", project_id: "p", seq: 9, fact: { type: "command_state", data: { id, state: is } as Command } });
    const said = withEvents(NOTHING, [live(undefined, "partial", "Half a sen")]);
    expect(withEvents(said, [state("c", "running")]).streaming?.text).toBe("Half a sen");
    expect(withEvents(said, [state("d", "interrupted")]).streaming?.text).toBe("Half a sen");
    expect(withEvents(said, [state("c", "interrupted")]).streaming).toBeUndefined();
  });

  it("forgets what a server that was put back never had, and takes what it says under the same numbers", () => {
    const lost = withPage(NOTHING, {}, page([1, 2, 3, 4], false, 4));
    const back = withoutSpan(lost, { first: 3, last: 4 });
    expect(shown(back)).toEqual([1, 2]);
    expect(shown(withEvents(back, [live(3, "text", "another")]))).toEqual([1, 2, 3]);
    expect(shown(withEvents(back, [live(5)]))).toEqual([1, 2, "gap 3-4", 5]);
  });
});
