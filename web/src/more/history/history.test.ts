import { describe, expect, it } from "vitest";
import type { Audited, GetMessages, GetMessagesReply, HistoryMessage } from "../../generated/protocol";
import { auditWords, checkWords } from "./audit";
import { excerpt } from "./excerpt";
import { kindNamed } from "./kinds";
import { Search } from "./search";

const said = (seq: number, minute: number): HistoryMessage => ({
  seq,
  timestamp: `2026-01-01T00:${String(minute).padStart(2, "0")}:00Z`,
  direction: "claude",
  kind: "text",
  text: `message ${seq}`,
  message: {},
});

/** A server with these logs, which gives at most `page` messages at once. */
function server(logs: Record<string, HistoryMessage[]>, page = 2) {
  const asked: GetMessages[] = [];
  const ask = async (data: GetMessages): Promise<GetMessagesReply> => {
    asked.push(data);
    const all = (logs[data.project_id ?? ""] ?? []).filter(({ seq }) => seq < (data.before ?? Infinity));
    return { messages: all.slice(-page), more: all.length > page, seq: 99, gaps: [] };
  };
  return { ask, asked };
}

const WANTED = { text: "message", kind: "text", direction: undefined } as const;
const minutes = (found: readonly { message: HistoryMessage }[]) => found.map(({ message }) => message.timestamp.slice(14, 16));

describe("a search over projects", () => {
  const logs = { a: [said(1, 1), said(2, 4), said(3, 5), said(4, 9)], b: [said(1, 2), said(2, 3), said(3, 8)], c: [] };

  it("gives the newest first, over pages and projects", async () => {
    const search = new Search(server(logs).ask, WANTED, ["a", "b", "c"]);
    const first = await search.next(3);
    expect(minutes(first.found)).toEqual(["09", "08", "05"]);
    expect(first.more).toBe(true);
    const rest = await search.next(10);
    expect(minutes(rest.found)).toEqual(["04", "03", "02", "01"]);
    expect(rest.more).toBe(false);
  });

  it("asks for what was wanted, and goes on before the last one", async () => {
    const { ask, asked } = server(logs);
    await new Search(ask, WANTED, ["a"]).next(10);
    expect(asked).toEqual([
      { project_id: "a", limit: 20, text: "message", kind: "text" },
      { project_id: "a", limit: 20, text: "message", kind: "text", before: 3 },
    ]);
  });

  it("goes on after a failure where it was", async () => {
    const { ask } = server(logs);
    let broken = true;
    const search = new Search((data) => (broken ? Promise.reject(new Error("gone")) : ask(data)), WANTED, ["a", "b"]);
    await expect(search.next(2)).rejects.toThrow("gone");
    broken = false;
    expect(minutes((await search.next(2)).found)).toEqual(["09", "08"]);
  });
});

describe("an excerpt", () => {
  it("shows what was found with its surroundings, in any case of letters", () => {
    expect(excerpt("the\nQuick fox", "quick")).toEqual({ before: "the ", match: "Quick", after: " fox" });
    const far = excerpt(`${"x".repeat(100)}needle${"y".repeat(500)}`, "needle");
    expect(far.before).toBe(`…${"x".repeat(40)}`);
    expect(far.after).toHaveLength(200);
  });

  it("shows the beginning when nothing is marked", () => {
    expect(excerpt("a  b", "")).toEqual({ before: "a b", match: "", after: "" });
    expect(excerpt("a b", "zzz").match).toBe("");
  });
});

describe("the audit log", () => {
  const nameOf = () => "laptop";

  it("is told in words", () => {
    expect(auditWords({ action: "scopes_changed", device_id: "d", before: ["view"], after: [] }, nameOf)).toBe("laptop has no scopes now, and had the scope view");
    expect(auditWords({ action: "work_ended", command_id: "c", attempt: 1, outcome: "timed_out", killed: 2 }, nameOf)).toBe("work ended: timed out, 2 processes stopped");
    const rules = [{ tool: "Bash", content: "ls *", destination: "local_settings" as const }];
    expect(auditWords({ action: "approval_answered", approval_id: "a", command_id: "c", state: "allowed", tool: "Bash", input_sha256: "0", rules }, nameOf)).toBe("allowed the tool Bash, always: Bash(ls *)");
  });

  it("tells of what only a newer server knows", () => {
    expect(auditWords({ action: "moon_landed" } as unknown as Audited, nameOf)).toBe("moon landed");
  });

  it("says whether it is whole", () => {
    expect(checkWords({ entries: 1200, hash: "ab" })).toBe("The record is whole: 1,200 entries are as written.");
    expect(checkWords({ entries: 1, hash: "ab", broken: "entry 2 has another hash" })).toContain("damaged");
  });
});

it("a kind nobody knows is every kind", () => {
  expect(kindNamed("prompts").kind).toBe("prompt");
  expect(kindNamed("<script>").kind).toBeUndefined();
  expect(kindNamed(null).kind).toBeUndefined();
});
