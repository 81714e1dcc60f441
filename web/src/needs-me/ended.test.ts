import { describe, expect, it } from "vitest";
import type { Approval, Command } from "../generated/protocol";
import { endWords } from "./ended";
import { justAnswered } from "./lingering";

const ended = (some: Partial<Command>) => endWords({ state: "failed", attempt: 1, ...some } as Command);

describe("work that ended badly", () => {
  it("says what is known and never more", () => {
    expect(ended({ state: "interrupted" }).text).toContain("nobody saw");
    expect(ended({ state: "dead", attempt: 3 }).text).toBe("Given up after 3 attempts");
    expect(ended({ outcome: { kind: "failed", code: "INTERNAL_ERROR", message: "exit 1" } })).toMatchObject({ text: "Failed", said: "INTERNAL_ERROR: exit 1" });
    expect(ended({}).said).toBeUndefined();
  });
});

describe("answered approvals", () => {
  it("stay where they were seen open, the newest answer first", () => {
    const approval = (approval_id: string, state: Approval["state"], resolved_at: string) => [approval_id, { approval_id, state, resolved_at } as Approval] as const;
    const all = new Map([approval("a", "allowed", "2026-01-01"), approval("b", "denied", "2026-01-02"), approval("c", "open", ""), approval("d", "allowed", "2026-01-03")]);
    expect(justAnswered(all, new Set(["a", "b", "c"])).map((one) => one.approval_id)).toEqual(["b", "a"]);
  });
});
