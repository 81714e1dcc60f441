import { describe, expect, it } from "vitest";
import type { Command, HistoryMessage, Session, SessionNews, TokenUsage } from "../generated/protocol";
import { contextOf, edgeOf, percent, usedWords } from "./context";
import { count, turnEnd, turnFacts } from "./turn";

const message = (kind: HistoryMessage["kind"], frame: unknown, some: Partial<HistoryMessage> = {}) => ({ kind, message: frame, session_id: "s", ...some }) as HistoryMessage;

describe("the end of a turn", () => {
  const ended = (usage: Partial<TokenUsage>): SessionNews => ({ ended: { usage: { input_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, output_tokens: 0, ...usage } } });

  it("tells duration, tokens and cost, as far as the agent does", () => {
    const news = ended({ input_tokens: 1_200, cache_write_tokens: 4_000, cache_read_tokens: 52_000, output_tokens: 640, cost_usd: 0.0421 });
    expect(turnFacts(message("result", { duration_ms: 12_400 }, { news }))).toBe("12 s · 57k tokens in, 640 out · $0.04");
    expect([null, {}, { usage: "no", duration_ms: "x" }].map((one) => turnFacts(message("result", one)))).toEqual(["", "", ""]);
    expect(turnFacts(message("result", { duration_ms: 12_400 }, { news: ended({ cost_usd: 0 }) }))).toBe("12 s");
  });

  it("tells an error with its words, and never an empty one", () => {
    const ends = (frame: object, text?: string) => turnEnd(message("result", frame, text === undefined ? {} : { text }), undefined);
    expect(ends({ is_error: false }, "all of it")).toEqual({ is: "done", text: "Done" });
    expect(ends({ is_error: true }, "no \u001b room")).toEqual({ is: "failed", text: "Ended with an error: no ⟨ESC⟩ room" });
    expect(ends({ is_error: true, subtype: "error_max_turns" }, "")).toEqual({ is: "failed", text: "Ended with an error" });
  });

  it("is an interruption, no error, where somebody interrupted it", () => {
    const interrupted = { is: "interrupted", text: "Interrupted" };
    const frame = { is_error: true, subtype: "error_during_execution" };
    const stopped = (kind: "cancelled" | "killed") => ({ state: "cancelled", outcome: { kind } }) as Command;
    expect(turnEnd(message("result", { ...frame, terminal_reason: "aborted_tools" }, { text: "half of it" }), undefined)).toEqual(interrupted);
    expect(turnEnd(message("result", frame, { text: "half of it" }), stopped("killed"))).toEqual(interrupted);
    expect(turnEnd(message("result", frame), undefined)).toEqual(interrupted);
    expect(turnEnd(message("result", { is_error: false }), stopped("cancelled")).is).toBe("done");
  });

  it("tells what this turn cost, though the agent's total grows over the conversation", () => {
    const turn = (total_cost_usd: number, cost_usd: number) => turnFacts(message("result", { total_cost_usd }, { news: ended({ cost_usd }) }));
    expect([turn(0.5, 0.5), turn(0.75, 0.25)]).toEqual(["$0.50", "$0.25"]);
  });

  it("counts tokens as people read them", () => {
    expect([0, 640, 1_200, 57_200, 999_400, 999_900, 1_230_000].map(count)).toEqual(["0", "640", "1.2k", "57k", "999k", "1.0M", "1.2M"]);
  });
});

describe("what a session used", () => {
  const usage = { input_tokens: 1_200, cache_read_tokens: 52_000, cache_write_tokens: 4_000, output_tokens: 640, cost_usd: 0.0421 };
  const session = (more: Partial<Session>) => ({ id: "s", turns: 3, usage, ...more }) as Session;

  it("is told in words, as far as the agent told it", () => {
    expect(usedWords(session({}))).toBe("3 turns · 57k tokens in, 640 out · $0.04");
    const nothing = { input_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, output_tokens: 0 };
    expect([usedWords(session({ turns: 1, usage: nothing })), usedWords(session({ turns: 0 }))]).toEqual(["1 turn", ""]);
  });

  it("fills a share of the model's window, which is unknown rather than guessed", () => {
    const context = contextOf(session({ context: { used_tokens: 50_000, window_tokens: 200_000 } }));
    expect(context && percent(context)).toBe(25);
    expect([contextOf(undefined), contextOf(session({})), contextOf(session({ context: { used_tokens: 5 } })), contextOf(session({ context: { used_tokens: 5, window_tokens: 0 } }))]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("is asked for anew when a turn began or ended", () => {
    const all = [message("init", {}, { seq: 3 }), message("text", {}, { seq: 4 }), message("result", {}, { seq: 7 }), message("prompt", {}, { seq: 9 })];
    expect([edgeOf(all), edgeOf(all.slice(0, 2)), edgeOf([])]).toEqual([7, 3, undefined]);
  });
});
