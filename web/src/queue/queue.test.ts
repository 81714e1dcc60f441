import { describe, expect, it } from "vitest";
import type { Command, Hold, RunnerState, Waiting } from "../generated/protocol";
import { EMPTY } from "../state/world";
import { fromField, toField } from "../text/times";
import { mayDo, mayDoWithAll } from "./may";
import { moved, movable, placeFor, queues, rowAt } from "./order";
import { said } from "./reason";
import { routeOf } from "./route";
import { attemptWords, causeOf, countWords, isUnplaced, stateWords } from "./words";

const AT = "2026-01-01T00:00:00Z";
const NOW = Date.parse("2026-01-01T01:00:00Z");
const command = (id: string, more: Partial<Command> = {}) => ({ id, state: "queued", kind: "prompt", created_at: AT, project_id: "p", runner_id: "r", ...more }) as Command;
const runner = (online: boolean) => ({ runner_id: "r", name: "box", online }) as RunnerState;
const around = (more: { holds?: Hold[]; online?: boolean; live?: boolean } = {}) => ({ holds: more.holds ?? [], runner: runner(more.online ?? true), live: more.live ?? true, now: NOW });

describe("the order of the queue", () => {
  it("is the server's inside a project, with what was begun first", () => {
    const commands = [command("a"), command("b"), command("new", { created_at: "2026-01-02T00:00:00Z" }), command("run", { state: "running" }), command("over", { state: "dead" }), command("x", { project_id: "q", runner_id: "s" })];
    const found = queues(commands, ["x", "b", "a", "run"]);
    expect(found.map(({ runnerId, projects }) => [runnerId, projects.map(({ projectId, commands }) => [projectId, commands.map(({ id }) => id)])])).toEqual([
      ["r", [["p", ["run", "b", "a", "new"]]]],
      ["s", [["q", ["x"]]]],
    ]);
  });

  it("names the neighbour a moved one shall stand at", () => {
    const ids = ["a", "b", "c"];
    expect(placeFor(ids, 2, 0)).toEqual({ before: "a" });
    expect(placeFor(ids, 0, 1)).toEqual({ after: "b" });
    expect(placeFor(ids, 0, 9)).toEqual({ after: "c" });
    expect(placeFor(ids, 1, 1)).toBeUndefined();
    expect(placeFor(ids, 0, -1)).toBeUndefined();
  });

  it("shows a move before the server has listed it", () => {
    expect(moved(["a", "b", "c"], "c", { before: "a" })).toEqual(["c", "a", "b"]);
    expect(moved(["a", "b", "c"], "a", { after: "b" })).toEqual(["b", "a", "c"]);
    expect(moved(["a", "b"], "b", "first")).toEqual(["b", "a"]);
    expect(moved(["a", "b"], "a", "last")).toEqual(["b", "a"]);
  });

  it("knows over which row a dragged one is", () => {
    const middles = [20, 60, 100];
    expect([0, 30, 70, 500].map((y) => rowAt(middles, 0, y))).toEqual([0, 0, 1, 2]);
    expect([0, 30, 70].map((y) => rowAt(middles, 2, y))).toEqual([0, 1, 2]);
  });

  it("moves only what waits", () => {
    expect(movable([command("a", { state: "running" }), command("b"), command("c", { kind: "kill" })])).toEqual(["b"]);
  });
});

describe("the words of the queue", () => {
  const says = (more: Partial<Command>, of = around()) => stateWords(command("a", more), of).text;

  it("say why something waits", () => {
    expect(says({ waiting_for: "order" })).toBe("waits its turn");
    expect(says({ waiting_for: "time", not_before: "2026-01-01T03:00:00Z" })).toBe("starts in 2 h");
    expect(says({ waiting_for: "runner" })).toBe("waits for a free place");
    expect(says({ waiting_for: "runner" }, around({ online: false }))).toBe("waits until box is back");
    expect(says({ held_by: "d", waiting_for: "hold" })).toBe("held");
    expect(says({ waiting_for: "something new" })).toBe("waits for a free place");
  });

  it("say when no machine fits, and what happens then", () => {
    const nobody = { ...around(), runner: undefined };
    expect(stateWords(command("a", { waiting_for: "runner" }), nobody).text).toBe("no machine fits");
    expect([isUnplaced(command("a", { waiting_for: "hold" }), undefined), isUnplaced(command("a"), runner(false)), isUnplaced(command("a", { state: "dead" }), undefined)]).toEqual([true, false, false]);
    const message = "no runner with a project fits labels has \"gpu\"; when it was looked at: box (has no label gpu)";
    expect(said({ reason: "runner", message }, "queued", EMPTY, 0)).toEqual({
      text: "No runner with a project fits labels has \"gpu\"; when it was looked at: box (has no label gpu).",
      next: "It starts by itself when a machine fits.",
    });
    const away: Waiting = { reason: "runner", message: "waiting for runner box", runner_id: "r" };
    expect(said(away, "queued", EMPTY, 0).next).toBe("It starts by itself when that machine is back.");
    expect(said(away, "running", EMPTY, 0).next).toBe("That machine says what became of it when it is back.");
  });

  it("name the hold that is over it", () => {
    const hold = (scope: Partial<Hold>): Hold => ({ by: "d", at: AT, ...scope });
    expect(says({ waiting_for: "runner" }, around({ holds: [hold({ project_id: "p" })] }))).toBe("its project is held");
    expect(says({ waiting_for: "runner" }, around({ holds: [hold({ runner_id: "r" })] }))).toBe("its machine is held");
    expect(says({ waiting_for: "runner" }, around({ holds: [hold({})] }))).toBe("everything is held");
    expect(says({ waiting_for: "runner" }, around({ holds: [hold({ project_id: "another" })] }))).toBe("waits for a free place");
  });

  it("claim nothing of a machine that is away", () => {
    expect(says({ state: "running", started_at: AT })).toBe("running for 1 h");
    expect(says({ state: "running" }, around({ online: false }))).toBe("running when last heard");
    expect(says({ state: "running", kill_requested_by: "d" }, around({ online: false }))).toBe("stops when its machine is back");
  });

  it("count", () => {
    expect([countWords(0, 0), countWords(2, 0), countWords(1, 3)]).toEqual(["Nothing waits", "2 waiting or running", "1 waiting or running, 3 to decide"]);
  });

  it("claim nothing of the present without a connection", () => {
    expect(says({ state: "running", started_at: AT }, around({ live: false }))).toBe("was running");
    expect(says({ state: "leased" }, around({ live: false }))).toBe("was about to start");
  });

  it("tell how it ended", () => {
    expect(attemptWords({ attempt: 1, runner_id: "r", outcome: { kind: "timed_out", duration_ms: 2000, code: "EXECUTION_TIMEOUT" } })).toBe("took too long · 2.0 s · EXECUTION_TIMEOUT");
    expect(causeOf(command("a", { state: "dead", outcome: { kind: "failed", message: "exit \u001b 1" } }))).toBe("failed: exit ⟨ESC⟩ 1");
  });
});

describe("what may be done", () => {
  it("follows the state", () => {
    expect(mayDo(command("a", { held_by: "d" }))).toEqual(["edit", "move", "release", "cancel"]);
    expect(mayDo(command("a", { state: "running" }))).toEqual(["stop"]);
    expect(mayDo(command("a", { state: "running", kill_requested_by: "d" }))).toEqual([]);
    expect(mayDo(command("a", { state: "interrupted" }))).toEqual(["resolve"]);
  });

  it("with several is what all have in common", () => {
    expect(mayDoWithAll([command("a"), command("b")])).toEqual(["hold", "cancel"]);
    expect(mayDoWithAll([command("a"), command("b", { held_by: "d" })])).toEqual(["cancel"]);
    expect(mayDoWithAll([command("a"), command("b", { state: "dead" })])).toEqual([]);
    expect(mayDoWithAll([])).toEqual([]);
  });
});

describe("a routing decision", () => {
  it("is read as far as it is there", () => {
    const route = { wish: { selector: "os = 'linux'", mode: "best" }, placed: true, decisions: [{ cause: "lost", reason: "box was lost", fitted: 1, considered: 3, candidates: [{ runner: "b", verdict: "chosen", reason: "free" }, 7] }] };
    const read = routeOf({ route });
    expect(read?.decisions[0]).toMatchObject({ cause: "When its machine was lost", counts: "1 of 3 fitted", candidates: [{ runner: "b", verdict: "chosen", reason: "free" }] });
  });

  it("is absent, or in another shape, without harm", () => {
    for (const detail of [undefined, {}, { route: 1 }, { route: {} }]) expect(routeOf(detail)).toBeUndefined();
    expect(routeOf({ route: { wish: {}, decisions: "no" } })).toEqual({ selector: "", placed: false, decisions: [] });
  });
});

describe("times of forms", () => {
  it("come back as they went, to the minute", () => {
    expect(fromField(toField("2026-05-01T12:34:00.000Z"))).toBe("2026-05-01T12:34:00.000Z");
    expect([fromField(""), fromField("soon"), toField(undefined)]).toEqual([undefined, undefined, ""]);
  });
});
