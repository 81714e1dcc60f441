import { expect, it } from "vitest";
import type { ProjectSettings, Scope } from "../generated/protocol";
import { lacksShell } from "./shell";

const without: Scope[] = ["view", "prompt", "admin"];
const neverAsks = { options: { permission_mode: "bypassPermissions" } } as ProjectSettings;

it("plain commands, and agents that never ask, are for devices with the scope shell", () => {
  for (const named of [{ agent: "command" }, { mode: "bypassPermissions" }] as const) {
    expect([lacksShell(named, without), lacksShell(named, [...without, "shell"])]).toEqual([true, false]);
  }
  for (const named of [{}, { agent: "" }, { agent: "claude", mode: "acceptEdits" }, { mode: "dontAsk" }, { mode: "" }] as const) expect(lacksShell(named, without)).toBe(false);
});

it("a mode the project has is everybody's there, its plain commands are not", () => {
  expect(lacksShell({ mode: "bypassPermissions" }, without, neverAsks)).toBe(false);
  expect(lacksShell({ agent: "command", mode: "bypassPermissions" }, without, { ...neverAsks, agent: "command" })).toBe(true);
});
