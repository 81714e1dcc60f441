import { describe, expect, it } from "vitest";
import { headline, toolAsk } from "./tool";

describe("what a tool was asked", () => {
  it("is read by its kind", () => {
    const table: [string, unknown, string, string][] = [
      ["Bash", { command: "ls -l", description: "List" }, "command", "ls -l"],
      ["Read", { file_path: "/a/b.rs", offset: 10, limit: 5 }, "read", "/a/b.rs · lines 10–14"],
      ["Read", { file_path: "/a/b.rs" }, "read", "/a/b.rs"],
      ["Read", { file_path: "/home/me/app/src/main.rs" }, "read", "…/src/main.rs"],
      ["Write", { file_path: "/x", content: "hi" }, "edit", "/x"],
      ["Edit", { file_path: "/x", old_string: "a", new_string: "b" }, "edit", "/x"],
      ["MultiEdit", { file_path: "/x", edits: [{ old_string: "a", new_string: "b" }, { old_string: "c", new_string: "" }] }, "edit", "/x"],
      ["Grep", { pattern: "fn", path: "src" }, "search", "fn in src"],
      ["TodoWrite", { todos: [{ content: "one", status: "completed" }, { content: "two", status: "strange" }] }, "todo", "1 of 2 done"],
      ["Task", { description: "Scan", prompt: "Scan it all", subagent_type: "Explore" }, "agent", "Scan"],
      ["WebFetch", { url: "https://example.org", prompt: "why" }, "fetch", "https://example.org"],
      ["ExitPlanMode", { plan: "1. Do" }, "plan", "1. Do"],
      ["mcp__x__y", { only: "value" }, "other", "value"],
      ["mcp__x__y", { a: 1, b: 2 }, "other", '{\n  "a": 1,\n  "b": 2\n}'],
    ];
    for (const [name, input, is, line] of table) {
      const ask = toolAsk(name, input);
      expect([ask.is, headline(ask)], name).toEqual([is, line]);
    }
  });

  it("keeps each change of an edit", () => {
    const ask = toolAsk("MultiEdit", { file_path: "/x", edits: [{ old_string: "a", new_string: "b" }, { old_string: "c", new_string: "" }] });
    expect(ask).toMatchObject({ changes: [{ before: "a", after: "b" }, { before: "c", after: "" }], wholeFile: false });
  });

  it("is shown as it is when it does not fit its kind", () => {
    const names = ["Bash", "Read", "Write", "Edit", "MultiEdit", "Grep", "Agent", "WebFetch", "ExitPlanMode", "constructor", "toString"];
    for (const name of names) {
      for (const input of [undefined, null, 7, "words", [], {}, { command: 1, file_path: {}, edits: "no", url: [] }]) {
        expect(toolAsk(name, input).is, name).toBe("other");
      }
    }
  });
});
