import { describe, expect, it } from "vitest";
import type { Command, HistoryMessage } from "../generated/protocol";
import { NOTHING, withPage } from "../state/transcript";
import { dayName, dayOf } from "./days";
import { type Line, lines } from "./lines";
import type { Inner } from "./tools";

let next = 1;
const message = (kind: HistoryMessage["kind"], some: Partial<HistoryMessage> = {}): HistoryMessage => ({
  seq: next++,
  timestamp: "2026-01-01T12:00:00Z",
  direction: kind === "prompt" ? "client" : "claude",
  kind,
  message: {},
  ...some,
});
const use = (id: string, parent?: string) => message("tool_use", { tool: { id, name: "Bash" }, ...(parent && { parent }) });
const result = (id: string, parent?: string) => message("tool_result", { tool: { id }, ...(parent && { parent }) });
const shownOf = (messages: HistoryMessage[], some: { readTo?: number; commands?: Command[] } = {}): Line[] => {
  const page = { messages, more: false, seq: next, gaps: [] };
  return lines(withPage(NOTHING, {}, page), { commands: some.commands ?? [], outbox: [], readTo: some.readTo });
};
const words = (line: Line | Inner): string => {
  if (line.is === "message" || line.is === "said") return line.message.kind;
  if (line.is === "tool") return `${line.use.tool?.id}${line.result ? "+" : ""}${line.inside.length > 0 ? `(${line.inside.map(words).join(" ")})` : ""}`;
  return line.is;
};

describe("the lines of a stream", () => {
  it("put a result beside its use, in any order", () => {
    expect(shownOf([message("text"), use("a"), use("b"), result("b"), result("a"), use("c")]).map(words)).toEqual(["text", "a+", "b+", "c"]);
  });

  it("keep a result whose use is not known", () => {
    expect(shownOf([result("gone"), use("a")]).map(words)).toEqual(["tool_result", "a"]);
  });

  it("put what sub-agents do inside what began them", () => {
    const said = (parent: string) => message("text", { parent });
    const all = [use("a"), use("b"), said("a"), said("b"), use("c", "a"), use("d", "b"), result("d", "b"), result("c", "a"), use("e", "c"), result("a"), message("text")];
    expect(shownOf(all).map(words)).toEqual(["a+(text c+(e))", "b(text d+)", "text"]);
  });

  it("show a sub-agent's words where its beginning is not known", () => {
    expect(shownOf([message("text", { parent: "unknown" }), use("a", "unknown")]).map(words)).toEqual(["text", "a"]);
  });

  it("join ids that come again to the latest use before them", () => {
    expect(shownOf([use("a"), result("a"), message("text"), use("a"), result("a")]).map(words)).toEqual(["a+", "text", "a+"]);
    expect(shownOf([use("a"), result("a"), use("a")]).map(words)).toEqual(["a+", "a"]);
  });

  it("put sub-agents inside the latest use of their id before them", () => {
    const turn = (kind: "text" | "thinking") => [use("a"), message(kind, { parent: "a" }), use("b", "a"), result("b", "a"), result("a")];
    expect(shownOf([...turn("text"), ...turn("thinking")]).map(words)).toEqual(["a+(text b+)", "a+(thinking b+)"]);
  });

  it("leave nothing out that is deeper than is shown inside", () => {
    const ids = Array.from({ length: 9 }, (_, depth) => String(depth));
    const all = ids.flatMap((id, depth) => [depth === 0 ? use(id) : use(id, ids[depth - 1])]);
    expect(shownOf([...all, result("8")]).map(words)).toEqual(["0(1(2(3(4(5(6))))))", "7(8+)"]);
  });

  it("survive a tool that names itself as its parent", () => {
    expect(() => shownOf([use("a", "a"), use("b", "c"), use("c", "b")])).not.toThrow();
  });

  it("are the same objects when nothing changed", () => {
    const all = [use("a"), message("text", { parent: "a" }), result("a")];
    expect(shownOf(all)[0]).toBe(shownOf(all)[0]);
    expect(shownOf(all)[0]).not.toBe(shownOf([...all, message("text", { parent: "a" })])[0]);
  });

  it("name days and conversations as they begin", () => {
    const on = (timestamp: string, session_id = "s") => message("text", { timestamp, session_id });
    expect(shownOf([on("2026-01-01T12:00:00Z"), on("2026-01-01T13:00:00Z"), on("2026-01-03T12:00:00Z", "t")]).map(words)).toEqual(["text", "text", "session", "day", "text"]);
  });

  it("mark once where reading ended, and never before one's own words", () => {
    const all = [message("text"), message("prompt"), message("text"), message("text")];
    expect(shownOf(all, { readTo: all[0]?.seq ?? 0 }).map(words)).toEqual(["text", "prompt", "unread", "text", "text"]);
    expect(shownOf(all, { readTo: all[3]?.seq ?? 0 }).map(words)).not.toContain("unread");
    expect(shownOf(all).map(words)).not.toContain("unread");
  });

  it("end with what waits, unless the agent has it", () => {
    const command = (id: string) => ({ id, state: "leased", created_at: id }) as Command;
    expect(shownOf([message("prompt", { command_id: "a" })], { commands: [command("b"), command("a")] }).map(words)).toEqual(["prompt", "queued"]);
  });
});

describe("days", () => {
  it("are those of the viewer's calendar", () => {
    const at = Date.parse("2026-01-02T23:30:00Z");
    expect(dayOf(at, 0) + 1).toBe(dayOf(at, -60));
    const now = new Date(2026, 5, 15, 9).getTime();
    expect([dayName(now, now), dayName(new Date(2026, 5, 14, 23).getTime(), now)]).toEqual(["Today", "Yesterday"]);
    expect(dayName(new Date(2025, 5, 14).getTime(), now)).toContain("2025");
  });
});
