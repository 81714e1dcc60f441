import { describe, expect, it } from "vitest";
import type { Project, RunnerState, StateRegister } from "../generated/protocol";
import { agentIn, preferenceOf, valueOf } from "../state/preference";
import { toField } from "../text/times";
import { askOf, type Choice, firstOf, FRESH, kept, lacks, preferring } from "./choice";
import { startWords } from "./start";
import { ANY, fitting, selectorOf } from "./wish";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const TOMORROW = "2026-01-02T00:00:00.000Z";
const choice = (more: Partial<Choice> = {}): Choice => ({ ...FRESH, projectId: "p", ...more });

describe("a choice becomes a command", () => {
  it("that says no more than was chosen", () => {
    expect(askOf(choice(), " hello ")).toEqual({ target: { project_id: "p" }, kind: "prompt", payload: { prompt: "hello" }, mode: "queue" });
  });

  it("with agent, model, mode, time, hold and retries", () => {
    const ask = askOf(choice({ agent: "claude", model: "opus", mode: "plan", when: "at", at: toField(TOMORROW), priority: "high", tries: 3, safe: true }), "x");
    expect(ask.payload).toEqual({ prompt: "x", agent: "claude", options: { model: "opus", permission_mode: "plan" } });
    expect([ask.not_before, ask.priority, ask.retry?.attempts, ask.retry?.safe]).toEqual([TOMORROW, "high", 3, true]);
    expect(askOf(choice({ when: "held" }), "x").hold).toBe(true);
    const file = { hash: "0", name: "a", media_type: "text/plain", bytes: 1 };
    expect(askOf(choice(), "x", [file]).payload?.attachments).toEqual([file]);
    expect(askOf(choice({ waitForLimit: true, safe: true }), "x").retry).toMatchObject({ attempts: 1, safe: false, wait_for_limit: true });
  });

  it("for any machine that can", () => {
    const ask = askOf(choice({ where: "any", wish: { ...ANY, os: "linux", path: "/srv/shop" } }), "x");
    expect(ask.target).toEqual({ selector: 'os = "linux"', path: "/srv/shop" });
  });

  it("only when nothing is missing", () => {
    expect(lacks(choice(), "x", NOW)).toBeUndefined();
    expect(lacks(choice(), "  ", NOW)).toMatch(/Write/);
    expect(lacks({ ...FRESH }, "x", NOW)).toMatch(/project/);
    expect(lacks(choice({ when: "at" }), "x", NOW)).toMatch(/time/);
    expect(lacks(choice({ expires: "2025-01-01T00:00" }), "x", NOW)).toMatch(/passed/);
    expect(lacks(choice({ when: "at", at: "2026-03-02T00:00", expires: "2026-03-01T00:00" }), "x", NOW)).toMatch(/before/);
  });

  it("is remembered without its times", () => {
    expect(Object.keys(kept(choice({ when: "at", at: "2026-03-02T00:00", priority: "critical" })))).not.toContain("at");
    expect(kept(choice({ model: "opus" })).model).toBe("opus");
  });
});

describe("a wish", () => {
  it("is a selector in the server's words", () => {
    expect(selectorOf({ os: "linux", agent: "claude", cores: 4, memoryGib: 8, path: "" })).toBe('os = "linux" and agents has "claude" and cores >= 4 and memory_bytes >= 8589934592');
    expect(selectorOf(ANY)).toBe("cores >= 1");
    expect(selectorOf({ ...ANY, os: '" or 1="1\\' })).toBe('os = " or 1=1"');
  });

  it("knows which projects fit", () => {
    const facts = { os: "linux", cores: 4, memory_bytes: 8 * 1024 ** 3, agents: [{ agent: "claude", available: false }, { agent: "demo", available: true }] };
    const runners = new Map([["r", { runner_id: "r", name: "box", online: true, facts } as RunnerState], ["s", { runner_id: "s", name: "far", online: false } as RunnerState]]);
    const projects = [{ id: "p", runner_id: "r", path: "/a" }, { id: "q", runner_id: "s", path: "/a" }] as Project[];
    const ids = (wish: Partial<typeof ANY>) => fitting({ ...ANY, ...wish }, projects, runners).map(({ id }) => id);
    expect([ids({}), ids({ agent: "demo" }), ids({ agent: "claude" }), ids({ cores: 8 }), ids({ memoryGib: 8 }), ids({ path: "/b" }), ids({ os: "macos" })]).toEqual([["p"], ["p"], [], [], ["p"], [], []]);
  });
});

describe("when it starts", () => {
  const runner = (online: boolean) => ({ runner_id: "r", name: "box", online }) as RunnerState;

  it("is said before it is sent", () => {
    expect(startWords(runner(true), 0, true)).toBe("Starts at once on box.");
    expect(startWords(runner(true), 2, true)).toBe("Starts on box after 2 that wait or run there.");
    expect(startWords(runner(false), 0, true)).toBe("box is away: it waits on the server and starts when box is back.");
    expect(startWords(runner(true), 0, false)).toBe("Kept on this device until there is a connection, then sent once.");
    expect(startWords(undefined, 0, true)).toBe("Starts as soon as it can.");
  });
});

describe("what a device prefers", () => {
  const project = (id: string, agent?: "claude") => ({ id, settings: agent ? { agent } : {} }) as Project;

  it("is chosen where nothing else is said", () => {
    const all = [project("a"), project("b"), project("c")];
    expect([firstOf(all, ["c", "b"]), firstOf(all, [undefined, "b"]), firstOf(all, [undefined, "gone"]), firstOf([], ["a"])].map((one) => one?.id)).toEqual(["c", "b", "a", undefined]);
    expect(preferring(choice(), project("a"), { agent: "demo" }).agent).toBe("demo");
    expect(preferring(choice({ agent: "command" }), project("a"), { agent: "demo" }).agent).toBe("command");
    expect(preferring(choice(), project("a", "claude"), { agent: "demo" }).agent).toBe("");
    expect(preferring(choice({ where: "any" }), project("a"), { agent: "demo" }).agent).toBe("");
  });

  it("is read from whatever a version wrote", () => {
    const register = (value: unknown) => ({ value }) as StateRegister;
    expect(preferenceOf(register({ project_id: "p", agent: "demo", more: 1 }))).toEqual({ project_id: "p", agent: "demo" });
    expect([preferenceOf(undefined), preferenceOf(register("x")), preferenceOf(register({ project_id: 7, agent: "moon" }))]).toEqual([{}, {}, {}]);
    expect([valueOf({}), valueOf({ agent: "demo" })]).toEqual([{}, { value: { agent: "demo" } }]);
    expect([agentIn(project("a"), { agent: "demo" }), agentIn(project("a", "claude"), { agent: "demo" })]).toEqual(["demo", "claude"]);
  });
});
