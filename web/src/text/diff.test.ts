import { describe, expect, it } from "vitest";
import { diffLines, folded, sizeOf } from "./diff";

const shown = (before: string, after: string) => diffLines(before, after).map(({ is, text }) => `${{ same: " ", added: "+", removed: "-" }[is]}${text}`);

describe("a diff", () => {
  it("names what went and what came, in place", () => {
    expect(shown("a\nb\nc\n", "a\nB\nc\n")).toEqual([" a", "-b", "+B", " c"]);
    expect(shown("a\nb", "b\nc")).toEqual(["-a", " b", "+c"]);
    expect(shown("", "new\nfile\n")).toEqual(["+new", "+file"]);
    expect(shown("gone\n", "")).toEqual(["-gone"]);
    expect(shown("same", "same")).toEqual([" same"]);
  });

  it("gives both texts back", () => {
    const texts = ["", "x", "a\nb\nc", "c\nb\na", "a\na\nb\nb", "b\na\nb\nx\ny", "\n\n", "z\na\nb\nc\nz"];
    for (const before of texts) {
      for (const after of texts) {
        const lines = diffLines(before, after);
        const side = (other: "added" | "removed") => lines.filter(({ is }) => is !== other).map(({ text }) => text);
        const plain = (text: string) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
        expect([side("added"), side("removed")]).toEqual([plain(before), plain(after)]);
      }
    }
  });

  it("of two great texts is done without comparing all pairs", () => {
    const many = (letter: string) => Array.from({ length: 2_000 }, (_, line) => `${letter}${line}`).join("\n");
    expect(sizeOf(diffLines(many("a"), many("b")))).toEqual({ added: 2_000, removed: 2_000 });
  });

  it("leaves out what stands far from any change, and says how much", () => {
    const text = (tenth: string) => Array.from({ length: 20 }, (_, line) => (line === 10 ? tenth : String(line))).join("\n");
    const lines = folded(diffLines(text("old"), text("new")));
    expect(lines.filter(({ is }) => is === "skipped")).toEqual([{ is: "skipped", lines: 7 }, { is: "skipped", lines: 6 }]);
    expect(lines).toHaveLength(2 + 6 + 2);
  });
});
