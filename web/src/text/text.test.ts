import { describe, expect, it } from "vitest";
import type { ErrorBody, ErrorCode } from "../generated/protocol";
import { Refusal } from "../identity/failure";
import { age, duration, money } from "./age";
import { coloured } from "./ansi";
import { jsonText } from "./json";
import { problemOf } from "./problem";
import { pieces, readable, visible } from "./visible";

describe("ages", () => {
  it("are said in their greatest unit", () => {
    const ago = (ms: number) => age(0, ms);
    expect([0, 12_000, 300_000, 7_200_000, 259_200_000].map(ago)).toEqual(["now", "12 s ago", "5 min ago", "2 h ago", "3 d ago"]);
    expect(age(90_000, 0)).toBe("in 1 min");
  });

  it("of work have two units where it helps", () => {
    expect([800, 12_000, 185_000, 7_200_000].map(duration)).toEqual(["0.8 s", "12 s", "3 min 5 s", "2 h"]);
    expect([0.001, 0.5].map(money)).toEqual(["< $0.01", "$0.50"]);
  });
});

describe("hidden characters", () => {
  it("are made visible", () => {
    expect(visible("rm \u202e/tmp\u202c")).toBe("rm ⟨RLO⟩/tmp⟨U+202C⟩");
    expect(visible("a\u200bb\u0000c\u001b[2Jd\u{e0041}")).toBe("a⟨ZWSP⟩b⟨NUL⟩c⟨ESC⟩[2Jd⟨U+E0041⟩");
  });

  it("leave text alone that has none", () => {
    for (const plain of ["", "two\nlines\tand a tab", "grüße 世界 👩‍🚀".replace("\u200d", ""), "שלום"]) {
      expect(visible(plain)).toBe(plain);
      expect(pieces(plain).every((piece) => !piece.hidden)).toBe(true);
    }
  });
});

describe("prose", () => {
  it("keeps what letters and pictures are joined with, and shows the rest that hides", () => {
    expect(readable("👩‍🚀 می‌خواهم")).toBe("👩‍🚀 می‌خواهم");
    expect(readable("rm \u202etxt\u200b\u3164")).toBe("rm ⟨RLO⟩txt⟨ZWSP⟩⟨U+3164⟩");
  });
});

describe("terminal output", () => {
  it("keeps colours and weight", () => {
    expect(coloured("\u001b[1;31mred\u001b[0m plain")).toEqual([
      { text: "red", classes: "ansi-red ansi-bold" },
      { text: " plain", classes: "" },
    ]);
    expect(coloured("\u001b[38;5;196mx\u001b[38;2;1;2;3;4my")).toEqual([
      { text: "x", classes: "" },
      { text: "y", classes: "ansi-underline" },
    ]);
  });

  it("drops whatever would move, hide or link", () => {
    const hostile = "\u001b[2J\u001b[1;1Ha\u001b]0;title\u0007b\u001b]8;;http://evil\u001b\\c\u001b]8;;\u001b\\\u001b[?1049hd\u001bc";
    expect(coloured(hostile).map((piece) => piece.text).join("")).toBe("abcd");
  });
});

describe("a refusal", () => {
  const problem = (code: ErrorCode) => problemOf(new Refusal({ code, message: "the server's words", request_id: "r-1", retryable: false } as ErrorBody));

  it("is told in the server's words, with what to do where that is known", () => {
    expect(problem("NOT_FOUND")).toEqual({ code: "NOT_FOUND", message: "the server's words", requestId: "r-1" });
    expect(problem("INVALID_PATH").whatToDo).toContain("directory");
    expect((["NOT_FOUND", "INVALID_PATH", "VALIDATION_FAILED"] as const).map((code) => JSON.stringify(problem(code))).join()).not.toContain("afield explain");
  });
});

describe("JSON", () => {
  it("is written out, unless it is nested too deep for that", () => {
    expect(jsonText({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}');
    const deep: unknown = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
    expect(jsonText(deep)).toBe("(nested too deep to show)");
    expect(jsonText(undefined)).toBe("");
  });
});
