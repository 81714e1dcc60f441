import { describe, expect, it } from "vitest";
import type { Audited, FoundMessage, MessageSearchReply } from "../../generated/protocol";
import type { Ask } from "../../link/wire";
import { auditWords, checkWords } from "./audit";
import { excerpt } from "./excerpt";
import { kindNamed } from "./kinds";
import { Search } from "./search";

const said = (seq: number): FoundMessage => ({
  project_id: "a",
  seq,
  timestamp: `2026-01-01T00:00:${String(seq).padStart(2, "0")}Z`,
  direction: "claude",
  kind: "text",
  text: `message ${seq}`,
  message: {},
});

/** A server that gives these replies one after the other. */
function server(...replies: Partial<MessageSearchReply>[]) {
  const asked: Ask<"message_search">[] = [];
  const ask = async (data: Ask<"message_search">): Promise<MessageSearchReply> => {
    asked.push(data);
    const reply = replies.shift();
    if (!reply) throw new Error("gone");
    return { messages: [], more: false, gaps: [], ...reply };
  };
  return { ask, asked };
}

describe("a search", () => {
  it("asks on until a page is full, from where the last reply ended", async () => {
    const { ask, asked } = server({ messages: [said(9)], more: true, before: "x" }, { more: true, before: "y" }, { messages: [said(8), said(7)], more: true, before: "z", reached: "2026-01-01T00:00:07Z" });
    const page = await new Search(ask, { text: "message", kind: "text" }).next(3);
    expect(page.found.map(({ seq }) => seq)).toEqual([9, 8, 7]);
    expect(page).toMatchObject({ more: true, reached: "2026-01-01T00:00:07Z", incomplete: false });
    expect(asked).toEqual([
      { text: "message", kind: "text", limit: 3 },
      { text: "message", kind: "text", limit: 2, before: "x" },
      { text: "message", kind: "text", limit: 2, before: "y" },
    ]);
  });

  it("stops after a while and says how far it came", async () => {
    const nothing = { more: true, before: "x", reached: "2026-01-01T00:00:00Z", gaps: [{ project_id: "a", first: 1, last: 2 }] };
    const { ask, asked } = server(...Array.from({ length: 9 }, () => nothing));
    expect(await new Search(ask, { text: "m" }).next(3)).toEqual({ found: [], more: true, reached: nothing.reached, incomplete: true });
    expect(asked).toHaveLength(5);
  });

  it("shows what was found before a failure, and goes on from there", async () => {
    const { ask, asked } = server({ messages: [said(9)], more: true, before: "x" });
    const search = new Search(ask, { text: "m" });
    expect(await search.next(2)).toMatchObject({ found: [{ seq: 9 }], more: true });
    await expect(search.next(2)).rejects.toThrow("gone");
    expect(asked.at(-1)).toMatchObject({ before: "x" });
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
