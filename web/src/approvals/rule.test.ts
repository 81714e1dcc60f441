import { describe, expect, it } from "vitest";
import { coverage, placeOf, refusalOf, RULE_BYTES_MAX, rulesOf, wishesOf } from "./rule";

const bash = (content: string) => ({ tool: "Bash", content });

describe("a rule", () => {
  it("begins as the agent suggests it", () => {
    const rules = [{ tool: "Bash", content: "npm test *", destination: "local_settings" as const }, { tool: "Read", destination: "session" as const }];
    expect(wishesOf({ kind: "tool", rules })).toEqual([bash("npm test *"), { tool: "Read", content: "" }]);
    expect([wishesOf({ kind: "tool" }), wishesOf({ kind: "plan", rules })]).toEqual([[], []]);
  });

  it("goes as it was written, to where it was said", () => {
    expect(rulesOf([bash(" ls * "), bash(" ")], "session")).toEqual([{ tool: "Bash", content: "ls *", destination: "session" }, { tool: "Bash", destination: "session" }]);
  });

  it("says what it covers", () => {
    expect([bash(""), bash("npm test *"), bash("npm run:*"), bash("ls -l"), bash("git * main")].map(coverage)).toEqual([
      "every use of Bash, whatever it does",
      "every command that begins with “npm test”",
      "every command that begins with “npm run”",
      "only the command “ls -l”",
      "every command like “git * main”",
    ]);
    expect([coverage({ tool: "Write", content: "/p/**" }), coverage({ tool: "Read", content: "/a" })]).toEqual(["Write for everything like /p/**", "Read for /a alone"]);
    expect(placeOf("local_settings", "laptop")).toMatch(/settings\.local\.json on laptop\.$/);
    expect(placeOf("session", "laptop")).toMatch(/^Ends/);
  });

  it("must be seen as it is", () => {
    expect(refusalOf(bash("npm test"))).toBeUndefined();
    for (const hidden of ["a\nb", "a\u202eb", "a\u200bb"]) expect(refusalOf(bash(hidden))).toMatch(/hidden/);
    expect(refusalOf(bash("x".repeat(RULE_BYTES_MAX + 1)))).toMatch(/bytes/);
  });
});
