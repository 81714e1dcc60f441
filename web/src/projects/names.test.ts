import { describe, expect, it } from "vitest";
import type { Approval, Command, Project, RunnerState } from "../generated/protocol";
import { openIn, stateWords } from "./names";

describe("what a project does", () => {
  const project = (state: Project["state"]) => ({ id: "p", state }) as Project;
  const runner = (online: boolean) => ({ online }) as RunnerState;
  const open = (approvals: Partial<Approval>[], commands: Partial<Command>[]) =>
    openIn({
      approvals: new Map(approvals.map((one, at) => [String(at), { project_id: "p", ...one } as Approval])),
      commands: new Map(commands.map((one, at) => [String(at), { project_id: "p", ...one } as Command])),
    });
  const nothing = open([], []);
  const says = (state: Project["state"], more = nothing, online = true, live = true) => stateWords(project(state), runner(online), live, more).text;

  it("is told as far as its machine was heard", () => {
    expect([says("IDLE"), says("EXECUTING"), says("ERROR")]).toEqual(["idle", "working", "error"]);
    expect([says("IDLE", nothing, false), says("EXECUTING", nothing, false), says("EXECUTING", nothing, true, false)]).toEqual(["machine away", "working when last heard", "was working"]);
  });

  it("is to ask, while nobody answered", () => {
    const asks = open([{ state: "open" }], [{ state: "running" }]);
    expect([says("EXECUTING", asks), says("EXECUTING", asks, true, false)]).toEqual(["asks", "was working"]);
    expect(says("EXECUTING", open([{ state: "allowed" }, { state: "open", project_id: "q" }], []))).toBe("working");
  });

  it("is to wait, while what was sent to it has not begun", () => {
    expect((["queued", "leased"] as const).map((state) => says("IDLE", open([], [{ state }])))).toEqual(["waiting", "waiting"]);
    expect(says("IDLE", open([], [{ state: "succeeded" }, { state: "queued", project_id: "q" }]))).toBe("idle");
    expect([says("EXECUTING", open([], [{ state: "queued" }])), says("IDLE", open([], [{ state: "queued" }]), false)]).toEqual(["working", "machine away"]);
  });
});
