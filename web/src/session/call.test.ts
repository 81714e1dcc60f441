import { describe, expect, it } from "vitest";
import type { HistoryMessage } from "../generated/protocol";
import { askOf, faceOf, hasOutput, opensItself, stateOf } from "./call";

const use = (name: string, input: unknown, some: object = {}) =>
  ({ kind: "tool_use", tool: { id: "t", name }, text: "summary", message: { message: { content: [{ type: "tool_use", id: "t", name, input }] } }, ...some }) as HistoryMessage;
const result = (text: string, failed = false) => ({ kind: "tool_result", tool: { id: "t", failed }, text }) as HistoryMessage;

describe("a tool's card", () => {
  it("reads the ask from the frame, or from the summary where there is none", () => {
    expect(askOf(use("Bash", { command: "ls" }))).toMatchObject({ is: "command", command: "ls" });
    for (const message of [null, 7, {}, { message: { content: "words" } }, { message: { content: [null, { type: "tool_use", id: "other" }] } }]) {
      expect(askOf(use("Bash", {}, { message }))).toEqual({ is: "other", input: "summary" });
    }
  });

  it("is named by its kind, else by its tool", () => {
    const face = (name: string, input: unknown) => faceOf(askOf(use(name, input)), name).name;
    expect([face("Write", { file_path: "/x", content: "" }), face("Edit", { file_path: "/x", old_string: "", new_string: "" }), face("mcp__a__b", {})]).toEqual(["Write", "Edit", "mcp__a__b"]);
  });

  it("shows output where there is something to read", () => {
    const edit = askOf(use("Edit", { file_path: "/x", old_string: "a", new_string: "b" }));
    const command = askOf(use("Bash", { command: "ls" }));
    expect([hasOutput(edit, result("updated")), hasOutput(edit, result("no such text", true)), hasOutput(command, result("a.txt")), hasOutput(command, result("")), hasOutput(command, undefined)]).toEqual([false, true, true, false, false]);
  });

  it("opens itself when it failed", () => {
    const command = askOf(use("Bash", { command: "ls" }));
    expect([undefined, result("x"), result("x", true)].map(stateOf)).toEqual(["waiting", "done", "failed"]);
    expect([opensItself(command, "done"), opensItself(command, "failed"), opensItself({ is: "todo", items: [] }, "done")]).toEqual([false, true, true]);
  });
});
