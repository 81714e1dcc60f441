import { describe, expect, it } from "vitest";
import type { Project } from "../generated/protocol";
import { attached, ATTACHED_BYTES_MAX, fenced, withAttached } from "./attach";
import { commandOf, modeFor, remarks, USUAL } from "./sending";
import { suggested } from "./slash";

const project = (state: Project["state"]) => ({ id: "p", state }) as Project;

describe("sending", () => {
  it("steers and interrupts only a turn that runs, and nothing that has a time", () => {
    const steer = { ...USUAL, mode: "steer" as const };
    expect([modeFor(steer, project("EXECUTING")), modeFor(steer, project("IDLE")), modeFor({ ...steer, notBefore: "2026-01-01T10:00" }, project("EXECUTING"))]).toEqual(["steer", "queue", "queue"]);
  });

  it("says only what differs from the usual", () => {
    expect(commandOf("hi", USUAL, project("IDLE"))).toEqual({ target: { project_id: "p" }, kind: "prompt", payload: { prompt: "hi" }, mode: "queue" });
    const how = { mode: "queue", priority: "high", notBefore: "2026-01-01T10:00", sessionId: "s" } as const;
    expect(commandOf("hi", how, project("IDLE"))).toMatchObject({ priority: "high", not_before: new Date(2026, 0, 1, 10).toISOString(), payload: { session_id: "s" } });
    expect(remarks(how)).toHaveLength(3);
    expect(remarks(USUAL)).toEqual([]);
  });
});

describe("slash commands", () => {
  it("are suggested while their name is typed", () => {
    const known = ["clear", "compact", "usage"];
    expect(["/", "/c", "/compact", "/C", "say /c", "/compact now", "x"].map((text) => suggested(known, text))).toEqual([known, ["clear", "compact"], [], ["clear", "compact"], [], [], []]);
  });
});

describe("attached files", () => {
  it("stand between fences that nothing inside can end", () => {
    expect(fenced("a.md", "x\n```\ny\n```\n")).toBe("a.md:\n````\nx\n```\ny\n```\n````\n");
    expect(withAttached("look", "part")).toBe("look\n\npart");
    expect(withAttached(" ", "part")).toBe("part");
  });

  it("are refused with the reason when they are no text or too great", async () => {
    expect(await attached(new File(["grüße"], "a.txt"))).toContain("grüße");
    await expect(attached(new File([new Uint8Array([0, 1, 2])], "b.bin"))).rejects.toThrow("b.bin is no text");
    await expect(attached(new File(["x".repeat(ATTACHED_BYTES_MAX + 1)], "c.txt"))).rejects.toThrow(String(ATTACHED_BYTES_MAX));
  });
});
