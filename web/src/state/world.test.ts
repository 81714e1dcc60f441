import { describe, expect, it } from "vitest";
import type { Approval, Command, Device, DevicePresence, Fact, Hold, Project, RunnerState, StateRegister } from "../generated/protocol";
import type { TopicEvent } from "../link/wire";
import { failuresSeenKey, needsMe } from "./needs";
import { EMPTY, fold, type Lists, replace, replaceRegisters, subject, withRegisters } from "./world";

const AT = "2026-01-01T00:00:00Z";
const project = (id: string, state: Project["state"] = "IDLE") => ({ id, state, path: `/p/${id}`, runner_id: "r", session_id: null, settings: {}, created_at: AT, last_active: AT }) as Project;
const command = (id: string, state: Command["state"], created_at = AT) => ({ id, state, created_at, project_id: "p", kind: "prompt" }) as Command;
const approval = (approval_id: string, state: Approval["state"], requested_at = AT) => ({ approval_id, state, requested_at, project_id: "p" }) as Approval;
const told = (fact: Fact, seq = 1): TopicEvent => ({ topic: "project:p", at: AT, project_id: "p", seq, fact });
const lists = (some: Partial<Lists>): Lists => ({ projects: [], runners: [], devices: [], presence: [], commands: [], moreWaits: false, approvals: [], ...some });

describe("the world", () => {
  it("follows projects as they come, change and go", () => {
    let world = fold(EMPTY, [told({ type: "project_state", data: project("p") }), told({ type: "project_state", data: project("q") })]);
    world = fold(world, [told({ type: "project_state", data: project("p", "EXECUTING") }), told({ type: "project_deleted", data: { project_id: "q" } })]);
    expect([...world.projects.values()].map(({ id, state }) => [id, state])).toEqual([["p", "EXECUTING"]]);
  });

  it("leaves maps alone that a batch does not touch", () => {
    const world = fold(EMPTY, [told({ type: "project_state", data: project("p") })]);
    const next = fold(world, [told({ type: "command_state", data: command("c", "queued") })]);
    expect(next.projects).toBe(world.projects);
    expect(next.commands).not.toBe(world.commands);
  });

  it("prefers what was told while a list was on its way", () => {
    const world = fold(EMPTY, [told({ type: "command_state", data: command("c", "succeeded") })]);
    const stale = lists({ commands: [command("c", "running"), command("d", "queued")] });
    const next = replace(world, stale, new Map([["commands", new Set(["c"])]]));
    expect(next.commands.get("c")?.state).toBe("succeeded");
    expect(next.commands.get("d")?.state).toBe("queued");
  });

  it("does not bring back what was deleted while a list was on its way", () => {
    expect(replace(EMPTY, lists({ projects: [project("p")] }), new Map([["projects", new Set(["p"])]])).projects.size).toBe(0);
  });

  it("keeps all that is not over, and the newest of what is", () => {
    const over = Array.from({ length: 600 }, (_, index) => told({ type: "command_state", data: command(`o${index}`, "succeeded", `2026-01-01T00:${String(Math.floor(index / 60)).padStart(2, "0")}:${String(index % 60).padStart(2, "0")}Z`) }));
    const world = fold(EMPTY, [told({ type: "command_state", data: command("waiting", "queued", "2025-01-01T00:00:00Z") }), ...over]);
    expect(world.commands.size).toBe(501);
    expect(world.commands.has("waiting")).toBe(true);
    expect(world.commands.has("o99")).toBe(false);
  });

  it("forgets what was purged", () => {
    const world = fold(EMPTY, [told({ type: "command_state", data: command("d", "dead") }), told({ type: "command_state", data: command("f", "failed") })]);
    expect([...fold(world, [told({ type: "command_gone", data: { command_id: "f" } })]).commands.keys()]).toEqual(["d"]);
  });

  it("has devices as they were told, with what only lists have", () => {
    const row = { id: "d", name: "box", scopes: ["runner"], labels: ["gpu"], priority: 0 } as unknown as Device;
    const listed = replace(EMPTY, lists({ devices: [{ ...row, last_seen_at: AT }] }), new Map());
    const { labels: _, ...bare } = { ...row, name: "tower", revoked_at: AT };
    const world = fold(listed, [told({ type: "device_state", data: bare })]);
    expect(world.devices.get("d")).toEqual({ ...bare, last_seen_at: AT });
    expect(world.runners.get("d")).toMatchObject({ name: "tower", online: false, labels: [] });
    const gone = fold(world, [told({ type: "device_gone", data: { device_id: "d" } })]);
    expect([gone.devices.size, gone.runners.size]).toEqual([0, 0]);
  });

  it("knows what is held as it was told, once it was asked for", () => {
    const hold: Hold = { project_id: "p", by: "d", at: AT };
    const state = (hold?: Hold): TopicEvent => told({ type: "hold_state", data: { project_id: "p", ...(hold && { hold }) } });
    expect(fold(EMPTY, [state(hold)]).queue).toBeUndefined();
    const all: Hold = { by: "d", at: AT };
    const asked = { ...EMPTY, queue: { order: [], holds: [all] } };
    const held = fold(asked, [state(hold), state(hold)]);
    expect(held.queue?.holds).toEqual([all, hold]);
    expect(fold(held, [state()]).queue?.holds).toEqual([all]);
  });

  it("forgets what was purged, decided or put back on another screen", () => {
    const states = ["dead", "interrupted", "failed", "cancelled"] as const;
    const world = fold(
      EMPTY,
      states.map((state) => told({ type: "command_state", data: command(state, state) })),
    );
    expect([...replace(world, lists({}), new Map()).commands.keys()]).toEqual(["failed", "cancelled"]);
    expect([...replace(world, lists({}), new Map([["commands", new Set(states)]])).commands.keys()].sort()).toEqual([...states].sort());
  });

  it("keeps a machine apart from whether it is there", () => {
    const runner = { runner_id: "r", name: "vm", online: true } as RunnerState;
    const presence = (word: DevicePresence["presence"]) => ({ device_id: "r", presence: word }) as DevicePresence;
    const state: Fact = { type: "runner_state", data: runner };
    const away: Fact = { type: "device_presence", data: presence("away") };
    const after = (fact: Fact) => {
      const [name, id] = subject(fact) ?? [];
      const world = fold(EMPTY, [told(away), told(fact)]);
      return replace(world, lists({ runners: [runner], presence: [presence("online")] }), new Map(name && id ? [[name, new Set([id])]] : []));
    };
    expect([...after(away).runners.keys()]).toEqual(["r"]);
    expect(after(away).presence.get("r")?.presence).toBe("away");
    expect(after(state).presence.get("r")?.presence).toBe("online");
  });

  it("takes no older version of a register", () => {
    const register = (version: number, value: string) => ({ key: "pref:a", version, value }) as StateRegister;
    const world = withRegisters(EMPTY, [register(5, "new"), register(4, "old")]);
    expect(world.registers.get("pref:a")?.value).toBe("new");
  });

  it("has no register any more that the server does not list, but what was told meanwhile", () => {
    const register = (key: string, version: number, value?: string) => ({ key, version, ...(value !== undefined && { value }) }) as StateRegister;
    const known = withRegisters(EMPTY, [register("pin:gone", 3, "pinned"), register("draft:s", 9, "restored since"), register("draft:t", 4, "old")]);
    const told = withRegisters(known, [register("pref:new", 10, "told"), register("draft:t", 5)]);
    const listed = [register("draft:s", 2, "of the backup"), register("draft:t", 4, "old"), register("pref:new", 11, "told again")];
    const { registers } = replaceRegisters(told, listed, known.registers);
    expect([...registers.values()].map(({ key, version, value }) => [key, version, value])).toEqual([
      ["draft:s", 2, "of the backup"],
      ["draft:t", 5, undefined],
      ["pref:new", 11, "told again"],
    ]);
  });

  it("knows what needs a person, the oldest first", () => {
    const world = fold(EMPTY, [
      told({ type: "approval_state", data: approval("b", "open", "2026-01-02T00:00:00Z") }),
      told({ type: "approval_state", data: approval("a", "open", "2026-01-01T00:00:00Z") }),
      told({ type: "approval_state", data: approval("c", "denied") }),
      told({ type: "command_state", data: command("x", "interrupted", "2026-01-01T12:00:00Z") }),
      told({ type: "command_state", data: command("y", "succeeded") }),
    ]);
    expect(needsMe(world).map((need) => need.key)).toEqual(["a", "x", "b"]);
  });

  it("counts a failure until it is put away, or its project went on", () => {
    const failed = fold(EMPTY, [
      told({ type: "project_state", data: project("p", "ERROR") }),
      told({ type: "command_state", data: command("e", "succeeded", "2026-01-01T00:30:00Z") }),
      told({ type: "command_state", data: command("f", "failed", "2026-01-01T01:00:00Z") }),
    ]);
    const needs = (world: typeof failed) => needsMe(world).map((need) => need.key);
    expect(needs(failed)).toEqual(["f"]);
    expect(needs(fold(failed, [told({ type: "command_state", data: command("g", "queued", "2026-01-01T02:00:00Z") })]))).toEqual(["f"]);
    expect(needs(fold(failed, [told({ type: "project_state", data: project("p", "EXECUTING") })]))).toEqual([]);
    expect(needs(fold(failed, [told({ type: "project_state", data: project("p") })]))).toEqual([]);
    const seen = (value: string) => withRegisters(failed, [{ key: failuresSeenKey("p"), version: 1, value } as StateRegister]);
    expect(needs(seen("2026-01-01T01:00:00Z"))).toEqual([]);
    expect(needs(seen("2026-01-01T00:00:00Z"))).toEqual(["f"]);
  });
});
