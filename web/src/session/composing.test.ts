import { describe, expect, it } from "vitest";
import type { Project } from "../generated/protocol";
import { commandOf, modeFor, remarks, USUAL } from "./sending";
import { suggested } from "./slash";
import { unsent } from "./unsent";

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
    const file = { hash: "0", name: "a", media_type: "text/plain", bytes: 1 };
    expect(commandOf("hi", USUAL, project("IDLE"), [file]).payload).toEqual({ prompt: "hi", attachments: [file] });
    expect(remarks(USUAL)).toEqual([]);
  });
});

describe("words that only this device has", () => {
  it("say what they wait for, or how far their files are", () => {
    const entry = { key: "k", madeAt: 0, projectId: "p", ask: {} };
    expect(unsent(entry, undefined).text).toBe("on this device, waits for a connection");
    expect(unsent(entry, { key: "other", name: "a.png", part: 0.5 }).icon).toBe("offline");
    expect(unsent(entry, { key: "k", name: "a.png", part: 0.256 })).toMatchObject({ text: "uploading a.png: 26 %", tone: "calm" });
  });
});

describe("slash commands", () => {
  it("are suggested while their name is typed", () => {
    const known = ["clear", "compact", "usage"];
    expect(["/", "/c", "/compact", "/C", "say /c", "/compact now", "x"].map((text) => suggested(known, text))).toEqual([known, ["clear", "compact"], [], ["clear", "compact"], [], [], []]);
  });
});
