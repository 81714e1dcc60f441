import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { drawn, offsets, rowAt } from "../parts/windowing";
import { placeOf } from "../session/place";
import { connectionWords } from "./connection";
import { listOf, match, ROUTES } from "./routes";

describe("routes", () => {
  it("find the screen and the parts of an address", () => {
    expect(match("/")?.route.pattern).toBe("/projects");
    expect(match("/projects/a%2Fb/")?.parameters).toEqual({ project: "a/b" });
    expect(["/nowhere", "/projects/p/and/more", "/projects/%E0%A4%A"].map((path) => match(path))).toEqual([undefined, undefined, undefined]);
    expect(listOf("projects")?.pattern).toBe("/projects");
  });

  it("begin with a part the server answers the app for", () => {
    const sections = JSON.parse(readFileSync("src/shell/sections.json", "utf8")) as string[];
    for (const { pattern, section } of ROUTES) {
      expect(sections).toContain(pattern.split("/")[1]);
      expect(sections).toContain(section);
    }
  });
});

describe("the banner", () => {
  const state = (status: Parameters<typeof connectionWords>[0]["status"]) => ({ status });

  it("says nothing while all is well, or only for a moment not", () => {
    expect(connectionWords(state({ is: "live", since: 0 }), 0, 5000)).toBeUndefined();
    expect(connectionWords(state({ is: "reconnecting", since: 4500, tries: 1 }), 0, 5000)).toBeUndefined();
  });

  it("says what is, since when what is shown holds, and when the next try is", () => {
    const words = connectionWords(state({ is: "reconnecting", since: 0, tries: 3, nextTryAt: 12_000 }), 2000, 5000);
    expect(words).toEqual({ tone: "warn", text: "Not connected, next try in 7 s. Shown: as of 3 s ago.", canTry: true });
    expect(connectionWords(state({ is: "offline", since: 0 }), undefined, 5000)?.text).toBe("No network.");
  });
});

describe("a long list", () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => `k${index}`);

  it("draws what is seen and knows the height of the rest", () => {
    const starts = offsets(keys, new Map([["k0", 100]]), 10);
    expect(starts.at(-1)).toBe(100 + 9_999 * 10);
    const part = drawn(starts, 50_000, 500, 100);
    expect(part.end - part.first).toBeLessThan(80);
    expect(part.above + part.below + (part.end - part.first) * 10).toBe(starts.at(-1));
  });

  it("finds the row at a place, at both ends too", () => {
    const starts = offsets(keys.slice(0, 3), new Map(), 10);
    expect([0, 9, 10, 29, 500].map((y) => rowAt(starts, y))).toEqual([0, 0, 1, 2, 2]);
    expect(drawn(offsets([], new Map(), 10), 0, 500, 100)).toEqual({ first: 0, end: 0, above: 0, below: 0 });
  });
});

it("an address leads to a message by its number only", () => {
  const at = (text: string) => placeOf(new URLSearchParams({ at: text }));
  expect([at("42"), at("0"), at("-1"), at("1e3"), at("x"), at("")]).toEqual([42, undefined, undefined, undefined, undefined, undefined]);
  expect(placeOf(new URLSearchParams())).toBeUndefined();
});
