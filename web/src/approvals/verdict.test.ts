import { describe, expect, it } from "vitest";
import type { Approval, Device } from "../generated/protocol";
import { sessionOffer, titleOf, verdictOf } from "./verdict";

const DEVICES = new Map([["d1", { id: "d1", name: "phone" } as Device]]);
const approval = (some: Partial<Approval>) => ({ kind: "tool", tool: "Bash", state: "open", session_rule: false, ...some }) as Approval;
const text = (some: Partial<Approval>, own = "d9") => verdictOf(approval(some), DEVICES, own)?.text;

describe("what became of an approval", () => {
  it("says whose answer it was", () => {
    expect(text({})).toBeUndefined();
    expect(text({ state: "allowed", resolved_by: "d1" })).toBe("Allowed by phone");
    expect(text({ state: "allowed", resolved_by: "d1" }, "d1")).toBe("Allowed by this device");
    expect(text({ state: "denied", resolved_by: "gone" })).toBe("Denied by a device that is gone");
    expect(text({ state: "allowed", resolved_by: "d1", answer: { behavior: "allow", for_session: true, interrupt: false } })).toBe("Allowed for this session by phone");
    expect(text({ state: "withdrawn" })).toMatch(/^Withdrawn/);
  });

  it("repeats the rules of a yes, and how long they hold", () => {
    const rules = [{ tool: "Bash", content: "ls *", destination: "local_settings" as const }];
    const always = approval({ state: "allowed", resolved_by: "d1", answer: { behavior: "allow", for_session: false, interrupt: false, rules } });
    expect(verdictOf(always, DEVICES, "d9")).toMatchObject({ text: "Allowed always by phone", words: "Bash(ls *)" });
  });

  it("repeats the reason of a no, and the answers to a question", () => {
    const no = approval({ state: "denied", resolved_by: "d1", answer: { behavior: "deny", for_session: false, interrupt: false, message: "not now" } });
    expect(verdictOf(no, DEVICES, "d9")?.words).toBe("not now");
    const answered = approval({ kind: "question", state: "allowed", resolved_by: "d1", answer: { behavior: "allow", for_session: false, interrupt: false, answers: { "Which?": "Blue" } } });
    expect(verdictOf(answered, DEVICES, "d9")).toMatchObject({ text: "Answered by phone", words: "Blue" });
  });
});

describe("an approval", () => {
  it("offers a longer yes only where the agent does", () => {
    expect(sessionOffer(approval({}))).toBeUndefined();
    expect(sessionOffer(approval({ session_rule: true }))).toBe("Allow for this session");
    expect(sessionOffer(approval({ session_rule: true, kind: "plan" }))).toContain("edit files");
    expect(sessionOffer(approval({ session_rule: true, kind: "question" }))).toBeUndefined();
  });

  it("is called as the agent calls it, else by its tool", () => {
    expect(titleOf(approval({ title: "Claude wants to run ls" }))).toBe("Claude wants to run ls");
    expect(titleOf(approval({}))).toBe("The agent wants to use Bash");
  });
});
