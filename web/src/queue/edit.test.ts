import { describe, expect, it } from "vitest";
import type { CommandDetail, Waiting } from "../generated/protocol";
import { EMPTY } from "../state/world";
import { moment, toField } from "../text/times";
import { changes, draftOf } from "./edit";
import { said } from "./reason";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const AT = "2026-01-02T10:00:00.000Z";
const detail = { id: "a", payload: { prompt: "old", agent: "demo" }, not_before: AT, expires_at: AT } as CommandDetail;

describe("an edit", () => {
  it("sends what was touched, with the rest of what it carries", () => {
    expect(changes(draftOf(detail), detail, { ...draftOf(detail), prompt: " new " }, NOW)).toEqual({ payload: { prompt: "new", agent: "demo" } });
    expect(changes(draftOf(detail), detail, { ...draftOf(detail), priority: "high" }, NOW)).toEqual({ priority: "high" });
    expect(changes(draftOf(detail), detail, draftOf(detail), NOW)).toBeUndefined();
  });

  it("leaves alone what somebody else changed since the form was filled", () => {
    const now = { ...detail, payload: { prompt: "theirs", agent: "demo" }, priority: "low" } as CommandDetail;
    expect(changes(draftOf(detail), now, { ...draftOf(detail), priority: "high" }, NOW)).toEqual({ priority: "high" });
    expect(changes(draftOf(detail), now, draftOf(detail), NOW)).toBeUndefined();
  });

  it("of its time starts it now when the time is taken away", () => {
    expect(changes(draftOf(detail), detail, { ...draftOf(detail), notBefore: "" }, NOW)).toEqual({ not_before: "2026-01-01T00:00:00.000Z" });
    expect(changes(draftOf(detail), detail, { ...draftOf(detail), expires: "" }, NOW)).toBeUndefined();
    expect(changes(draftOf(detail), detail, { ...draftOf(detail), expires: toField("2026-02-02T10:00:00Z") }, NOW)).toEqual({ expires_at: "2026-02-02T10:00:00.000Z" });
  });
});

describe("a reason", () => {
  it("has names where the server has ids", () => {
    const [command, device] = ["0190a000-0000-7000-8000-00000000000c", "0190a000-0000-7000-8000-00000000000d"];
    const world = { ...EMPTY, commands: new Map([[command, { id: command, kind: "prompt", summary: "tidy \u202eup" } as never]]), devices: new Map([[device, { name: "phone" } as never]]) };
    const waiting: Waiting = { reason: "order", message: `behind command ${command} held by ${device}`, command_id: command };
    expect(said(waiting, "queued", world, NOW)).toEqual({ text: "Behind command “tidy ⟨RLO⟩up” held by phone.", next: "It starts when that one is over.", command });
    expect(said(waiting, "queued", EMPTY, NOW).text).toBe("Behind command 00000c held by 00000d.");
  });

  it("has this device's time where the server has its own", () => {
    const told: Waiting = { reason: "hold", message: `everything is held since ${new Date(NOW).toISOString()}` };
    expect(said(told, "queued", EMPTY, NOW).text).toBe(`Everything is held since ${moment(new Date(NOW).toISOString(), NOW)}.`);
  });
});
