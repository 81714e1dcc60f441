import { describe, expect, it } from "vitest";
import type { Device, DevicePresence, Pairing, RunnerState } from "../generated/protocol";
import { fromTyped, pairingLink } from "../identity/pairing-link";
import { EMPTY, type World } from "../state/world";
import { bytes, runnerFacts, scopeWords } from "./facts";
import { labelsOf, withLabel, withoutLabel } from "./labels";
import { stepOf, usualScopes } from "./pairing";
import { standing } from "./presence";
import { qrPath } from "./qr";

const AT = "2026-01-01T00:00:00Z";
const NOW = Date.parse(AT) + 60_000;
const world = (device: Partial<Device>, presence?: Partial<DevicePresence>): World => ({
  ...EMPTY,
  devices: new Map([["d", { id: "d", name: "phone", last_seen_at: AT, ...device } as Device]]),
  presence: presence ? new Map([["d", { device_id: "d", connections: 1, ...presence } as DevicePresence]]) : new Map(),
});

describe("presence", () => {
  it("has a word and its evidence", () => {
    expect(standing("d", world({}, { presence: "online", connections: 2 }), true, NOW)).toEqual({ word: "online", tone: "good", evidence: "connected, 2 connections" });
    expect(standing("d", world({}, { presence: "stale", silent_ms: 90_000 }), true, NOW).evidence).toBe("connected, but silent for 1 min");
    expect(standing("d", world({}, { presence: "asleep" }), true, NOW).evidence).toBe("said that it sleeps, last heard 1 min ago");
    expect(standing("d", world({}, { presence: "away" }), true, NOW)).toEqual({ word: "away", tone: "calm", evidence: "last heard 1 min ago" });
  });

  it("claims nothing without a connection", () => {
    const found = standing("d", world({}, { presence: "online" }), false, NOW);
    expect([found.tone, found.evidence]).toEqual(["calm", "when last connected: connected"]);
  });

  it("knows who was thrown out, and who was never there", () => {
    expect(standing("d", world({ revoked_at: AT }, { presence: "online" }), true, NOW)).toMatchObject({ word: "revoked", evidence: "thrown out 1 min ago" });
    expect(standing("x", EMPTY, true, NOW)).toEqual({ word: "unknown", tone: "calm", evidence: "never connected" });
  });
});

describe("facts", () => {
  const facts = { os: "linux", arch: "x86_64", host: "box\u202e", cores: 4, memory_bytes: 8 * 1024 ** 3, concurrency: 1, shell: false, roots: ["/home"], version: "1.0.0", agents: [], tools: [], labels: [], sandbox: "none", execution_timeout_seconds: 3600 };

  it("are lines, with nothing hidden in them", () => {
    const lines = runnerFacts({ runner_id: "r", name: "box", online: true, priority: 0, facts } as RunnerState);
    expect(lines).toContainEqual({ name: "Host", value: "box⟨RLO⟩" });
    expect(lines).toContainEqual({ name: "Memory", value: "8.0 GiB" });
    expect(lines.map(({ name }) => name)).not.toContain("Tools");
  });

  it("take what a newer server adds, in any shape", () => {
    const more = { ...facts, tools: ["git", 7], load: { percent: 12, free_slots: 2 }, sandbox: "cgroup" };
    const lines = runnerFacts({ runner_id: "r", name: "box", online: true, skew: "older", facts: more } as unknown as RunnerState);
    const value = (name: string) => lines.find((line) => line.name === name)?.value;
    expect([value("Tools"), value("Load"), value("Afield")]).toEqual(["git", "12 % busy, takes 2 more", "1.0.0, older than the server"]);
  });

  it("say what a device may do", () => {
    expect([scopeWords(["view", "prompt"]), scopeWords(["runner"]), scopeWords([]), scopeWords(["view", "approve", "prompt", "shell", "admin"])]).toEqual(["look, prompt", "works for this server, and nothing else", "nothing", "everything"]);
    expect(usualScopes(["view", "admin"])).toEqual(["view"]);
    expect([bytes(512 * 1024 ** 2), bytes(64 * 1024 ** 3)]).toEqual(["512 MiB", "64 GiB"]);
  });
});

describe("labels", () => {
  const runner = { runner_id: "r", name: "box", online: true, labels: ["fast", "gpu"], facts: { labels: ["gpu", "linux"] } } as RunnerState;

  it("are its owner's, then its own, each once", () => {
    expect(labelsOf(runner)).toEqual([
      { word: "fast", given: true },
      { word: "gpu", given: true },
      { word: "linux", given: false },
    ]);
    expect(labelsOf({ runner_id: "r", name: "box", online: false, priority: 0 })).toEqual([]);
  });

  it("are given and taken one by one", () => {
    expect(withLabel(runner, " office ")).toEqual(["fast", "gpu", "office"]);
    expect([withLabel(runner, "gpu"), withLabel(runner, " ")]).toEqual([["fast", "gpu"], ["fast", "gpu"]]);
    expect(withoutLabel(runner, "fast")).toEqual(["gpu"]);
  });
});

describe("a pairing", () => {
  const pairing = (more: Partial<Pairing>) => ({ id: "p", state: "open", expires_at: "2026-01-01T00:10:00Z", link: false, scopes: [], ...more }) as Pairing;

  it("is waited for, decided, or over", () => {
    expect(stepOf(pairing({}), NOW)).toEqual({ is: "waiting" });
    expect(stepOf(pairing({ state: "claimed", digits: "07" }), NOW)).toEqual({ is: "came", digits: "07" });
    expect(stepOf(pairing({ state: "approved", device_id: "d" }), NOW)).toEqual({ is: "in", deviceId: "d" });
    expect(stepOf(pairing({ expires_at: AT }), NOW).is).toBe("over");
    expect(stepOf(pairing({ state: "locked" }), NOW).is).toBe("over");
  });

  it("by a link waits although it is decided", () => {
    expect(stepOf(pairing({ state: "approved", link: true }), NOW)).toEqual({ is: "waiting" });
    expect(stepOf(pairing({ state: "approved", link: true, device_id: "d" }), NOW)).toEqual({ is: "in", deviceId: "d" });
  });

  it("has a link that reads back", () => {
    expect(fromTyped(pairingLink("https://host:7433", "s3cret", "ab12"))).toEqual({ secret: "s3cret", fingerprint: "ab12" });
  });
});

describe("a QR code", () => {
  it("is drawn as runs of dark modules", () => {
    expect(qrPath([[true, true, false, true], [false, false, false, false]])).toBe("M0 0h2v1h-2zM3 0h1v1h-1z");
  });
});
