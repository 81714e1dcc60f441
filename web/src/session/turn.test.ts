import { describe, expect, it } from "vitest";
import type { HistoryMessage } from "../generated/protocol";
import { contextOf, percent } from "./context";
import { count, turnFacts, turnFailed } from "./turn";

const message = (kind: HistoryMessage["kind"], frame: unknown, some: Partial<HistoryMessage> = {}) => ({ kind, message: frame, session_id: "s", ...some }) as HistoryMessage;

describe("the end of a turn", () => {
  it("tells duration, tokens and cost, as far as the agent does", () => {
    const frame = { duration_ms: 12_400, total_cost_usd: 0.0421, usage: { input_tokens: 1_200, cache_creation_input_tokens: 4_000, cache_read_input_tokens: 52_000, output_tokens: 640 } };
    expect(turnFacts(message("result", frame))).toBe("12 s · 57k tokens in, 640 out · $0.04");
    expect([null, {}, { usage: "no", duration_ms: "x" }].map((one) => turnFacts(message("result", one)))).toEqual(["", "", ""]);
    expect(turnFailed(message("result", { is_error: true }))).toBe(true);
  });

  it("counts tokens as people read them", () => {
    expect([0, 640, 1_200, 57_200, 999_400, 999_900, 1_230_000].map(count)).toEqual(["0", "640", "1.2k", "57k", "999k", "1.0M", "1.2M"]);
  });
});

describe("the context", () => {
  const said = (tokens: number, some: Partial<HistoryMessage> = {}) => message("text", { message: { usage: { input_tokens: tokens } } }, some);
  const result = (window: number) => message("result", { modelUsage: { a: { contextWindow: window }, b: {} } });

  it("is what was read last, of what there is room for", () => {
    const context = contextOf([said(1_000), result(200_000), said(50_000), said(9, { parent: "sub" }), message("tool_result", {})]);
    expect(context).toEqual({ used: 50_000, window: 200_000 });
    expect(context && percent(context)).toBe(25);
  });

  it("is unknown rather than guessed", () => {
    expect(contextOf([])).toBeUndefined();
    expect(contextOf([said(1_000)])).toBeUndefined();
    expect(contextOf([result(200_000)])).toBeUndefined();
    expect(contextOf([result(0), said(1)])).toBeUndefined();
    expect(contextOf([said(1_000), result(200_000), message("text", {}, { session_id: "new" })])).toBeUndefined();
  });
});
