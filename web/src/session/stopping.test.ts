import { describe, expect, it } from "vitest";
import type { Command, Project } from "../generated/protocol";
import { EMPTY } from "../state/world";
import { behindWords, runningIn, stoppedWords, workingIn } from "./stopping";

const command = (id: string, state: Command["state"], project_id = "p") => [id, { id, state, project_id } as Command] as const;

describe("what stopping ends", () => {
  it("is what runs in the project, and says what waits behind it", () => {
    const world = { ...EMPTY, commands: new Map([command("a", "succeeded"), command("b", "running"), command("c", "queued"), command("d", "leased"), command("e", "running", "other")]) };
    const running = runningIn(world, "p");
    expect([running.now?.id, running.behind]).toEqual(["b", 2]);
    expect([0, 1, 2].map(behindWords)).toEqual(["Nothing waits behind it.", "1 command behind it starts next.", "2 commands behind it start next."]);
  });

  it("is everything that works anywhere", () => {
    const project = (id: string, state: Project["state"], last_active: string) => [id, { id, state, last_active } as Project] as const;
    const world = { ...EMPTY, projects: new Map([project("a", "EXECUTING", "1"), project("b", "IDLE", "3"), project("c", "EXECUTING", "2")]) };
    expect(workingIn(world).map(({ id }) => id)).toEqual(["c", "a"]);
  });

  it("is told by what died, never by what was wished", () => {
    expect(stoppedWords({ name: "app", killed: [] })).toContain("nothing had to be killed");
    expect(stoppedWords({ name: "app", killed: [{ pid: 1, name: "claude", signal: "TERM" }] })).toBe("1 process killed.");
  });
});
