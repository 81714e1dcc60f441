import { describe, expect, it } from "vitest";
import type { Device, ProjectSettings } from "../generated/protocol";
import { match } from "../shell/routes";
import { fit, fitWords } from "./about/versions";
import { groupsFor, lackingFor } from "./groups";
import { looksFrom } from "./looks";
import { draftOf, isChanged, settingsOf } from "./settings/defaults";
import { installHint } from "./settings/install-hint";
import { bytes } from "./settings/storage";
import { expiry, tokensOf } from "./settings/tokens";

describe("the places behind More", () => {
  const paths = (...scopes: Parameters<typeof groupsFor>[0]) => groupsFor(scopes).flatMap(({ places }) => places.map(({ path }) => path));

  it("exist", () => {
    for (const path of paths("prompt", "admin")) expect(match(path)?.route.pattern).toBe(path);
  });

  it("are those the device may use", () => {
    expect(paths("view")).not.toContain("/more/audit");
    expect(paths("view")).not.toContain("/more/defaults");
    expect(paths("view")).toContain("/more/history");
    expect(paths("admin")).toContain("/more/audit");
    expect(paths("admin")).not.toContain("/more/defaults");
  });

  it("say what a device lacks that came by the address", () => {
    expect(lackingFor("/more/defaults", ["view"])).toBe("prompt");
    expect(lackingFor("/more/audit", ["view", "prompt"])).toBe("admin");
    expect(lackingFor("/more/audit", ["admin"])).toBeUndefined();
    expect(lackingFor("/more/device", [])).toBeUndefined();
  });
});

describe("looks", () => {
  it("are the defaults when nothing sensible was kept", () => {
    const usual = { theme: "system", text: "normal", motion: "system" };
    for (const kept of [undefined, "", "{", "null", "7", '{"theme":"<b>","text":3}']) expect(looksFrom(kept)).toEqual(usual);
  });

  it("are what was kept", () => {
    expect(looksFrom('{"theme":"dark","text":"larger","motion":"reduced"}')).toEqual({ theme: "dark", text: "larger", motion: "reduced" });
  });
});

describe("the defaults of a project", () => {
  const settings = { name: "app", options: { model: "big", add_dirs: ["/srv"] } } as unknown as ProjectSettings;

  it("keep what the form does not show", () => {
    const draft = { ...draftOf(settings), model: " small ", mode: "plan" as const, agent: "demo" as const };
    expect(settingsOf(settings, draft)).toEqual({ name: "app", agent: "demo", options: { model: "small", permission_mode: "plan", add_dirs: ["/srv"] } });
  });

  it("go back to nothing when they are emptied", () => {
    expect(settingsOf({ name: "app", agent: "demo" }, { name: " ", agent: "", model: "", mode: "" })).toEqual({});
  });

  it("know whether anything changed", () => {
    expect(isChanged(settings, draftOf(settings))).toBe(false);
    expect(isChanged(settings, { ...draftOf(settings), model: "big " })).toBe(false);
    expect(isChanged(settings, { ...draftOf(settings), mode: "plan" })).toBe(true);
  });
});

describe("tokens", () => {
  it("are what is no key and was not thrown out, the newest first", () => {
    const device = (id: string, created_at: string, rest: Partial<Device>) => ({ id, created_at, credential: "token", ...rest }) as Device;
    const devices = [device("old", "2026-01-01", {}), device("new", "2026-02-01", {}), device("key", "2026-03-01", { credential: "key" }), device("out", "2026-03-01", { revoked_at: "x" }), device("vm", "2026-03-01", { kind: "runner" })];
    expect(tokensOf(devices).map(({ id }) => id)).toEqual(["new", "old"]);
  });

  it("end when they should", () => {
    expect(expiry("day", 0)).toBe("1970-01-02T00:00:00.000Z");
    expect(expiry("never", 0)).toBeUndefined();
  });
});

describe("versions", () => {
  it("fit within a minor version", () => {
    expect([fit("1.2.3", "1.2.3"), fit("1.2.0", "1.2.3"), fit("1.1.9", "1.2.0"), fit("2.0.0", "1.9.0")]).toEqual(["same", "fits", "behind", "ahead"]);
    expect(fitWords(fit("0.9.0", "1.0.0"))).toContain("update it");
    expect(fit("nonsense", "0.1.0")).toBe("behind");
  });
});

describe("small words", () => {
  it("for sizes", () => {
    expect([0, 999, 1000, 1_440_000, 120_000_000_000].map(bytes)).toEqual(["0 bytes", "999 bytes", "1 KB", "1.4 MB", "120 GB"]);
  });

  it("for installing, where that can be done and was not", () => {
    const hint = (userAgent: string, rest = {}) => installHint({ standalone: false, offered: false, userAgent, ...rest });
    expect(hint("iPhone")).toContain("Add to Home Screen");
    expect(hint("iPhone", { standalone: true })).toBeUndefined();
    expect(hint("Linux", { offered: true })).toContain("like an app");
    expect(hint("Linux")).toBeUndefined();
  });
});
