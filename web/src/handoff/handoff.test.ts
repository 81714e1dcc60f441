import { describe, expect, it } from "vitest";
import type { Handoff, Project, StateRegister } from "../generated/protocol";
import { pinAsk, pinnedFirst } from "./pins";
import { focusOf, mayTakeUnasked, said, standing } from "./standing";

const me = { deviceId: "d", screen: "s" };
const handoff = (more: Partial<Handoff>): Handoff => ({ version: 1, focus: { project_id: "p" }, since: "2026-01-01T00:00:00Z", ...more });
const phone = { device_id: "e", device_name: "phone\u202e", screen: "t" };

describe("the focus", () => {
  it("is here, elsewhere or with nobody", () => {
    expect([standing(undefined, me).is, standing(handoff({}), undefined).is]).toEqual(["unknown", "unknown"]);
    expect(standing(handoff({}), me).is).toBe("nobody");
    expect(standing(handoff({ holder: { device_id: "d", device_name: "me", screen: "s" } }), me).is).toBe("here");
    expect(standing(handoff({ holder: phone, offered_to: "d" }), me)).toEqual({ is: "elsewhere", name: "phone⟨RLO⟩", offered: true });
    expect(standing(handoff({ holder: { device_id: "d", device_name: "me", screen: "other tab" } }), me)).toMatchObject({ name: "another window of this device" });
  });

  it("is taken from nobody who has it", () => {
    expect(mayTakeUnasked({ is: "unknown" })).toBe(false);
    expect(mayTakeUnasked({ is: "elsewhere", name: "x", offered: true })).toBe(false);
    expect(mayTakeUnasked({ is: "nobody" })).toBe(true);
    expect(mayTakeUnasked({ is: "here" })).toBe(true);
  });

  it("shows the project and its conversation", () => {
    expect(focusOf({ id: "p", session_id: null } as Project)).toEqual({ project_id: "p" });
    expect(focusOf({ id: "p", session_id: "s" } as Project)).toEqual({ project_id: "p", session_id: "s" });
  });
});

describe("the bar", () => {
  const looking = { shown: undefined as string | undefined, wasHere: false, nameOf: () => "shop" };
  const elsewhere = { is: "elsewhere", name: "phone", offered: false } as const;

  it("speaks only of what concerns this screen", () => {
    expect(said({ is: "here" }, { project_id: "p" }, looking)).toBeUndefined();
    expect(said(elsewhere, { project_id: "p" }, looking)).toBeUndefined();
    expect(said(elsewhere, { project_id: "p" }, { ...looking, shown: "q" })).toBeUndefined();
    expect(said(elsewhere, { project_id: "p" }, { ...looking, shown: "p" })).toEqual({ text: "Also open on phone.", button: "Continue here", asks: false });
    expect(said(elsewhere, { project_id: "p" }, { ...looking, wasHere: true })).toEqual({ text: "Continued on phone.", button: "Bring it back", asks: false });
    expect(said({ ...elsewhere, offered: true }, { project_id: "p" }, looking)).toEqual({ text: "Phone asks you to go on here with shop.", button: "Continue here", asks: true });
  });
});

describe("pins", () => {
  const project = (id: string, last_active: string) => ({ id, last_active }) as Project;
  const registers = new Map([
    ["pin:old", { key: "pin:old", version: 4, value: true } as StateRegister],
    ["pin:gone", { key: "pin:gone", version: 6 } as StateRegister],
  ]);

  it("come first, each part the latest first", () => {
    const projects = [project("gone", "2026-01-01"), project("new", "2026-01-03"), project("old", "2026-01-02")];
    expect(pinnedFirst(projects, registers).map(({ id }) => id)).toEqual(["old", "new", "gone"]);
  });

  it("name the version they replace", () => {
    expect(pinAsk("old", false, registers)).toEqual({ key: "pin:old", base_version: 4 });
    expect(pinAsk("gone", true, registers)).toEqual({ key: "pin:gone", base_version: 6, value: true });
    expect(pinAsk("new", true, registers)).toEqual({ key: "pin:new", base_version: 0, value: true });
  });
});
