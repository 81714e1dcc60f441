import { describe, expect, it } from "vitest";
import type { StateRegister } from "../generated/protocol";
import { EMPTY_DRAFT, heard, left, othersOf, saved, typed } from "./drafts";

const register = (version: number, value: string, others: string[] = []) =>
  ({ version, value, device_id: "l", device_name: "laptop", ...(others.length > 0 && { others: others.map((text) => ({ text, device_id: "p", device_name: "phone" })) }) }) as unknown as StateRegister;

describe("a draft", () => {
  it("goes on where another device left it", () => {
    expect(heard(EMPTY_DRAFT, register(3, "begun on the laptop"))).toEqual({ text: "begun on the laptop", base: 3, unsaved: false });
    expect(heard({ text: "new", base: 5, unsaved: false }, register(3, "old")).text).toBe("new");
  });

  it("is emptied where it was sent elsewhere", () => {
    const { value: _, ...deleted } = register(4, "");
    expect(heard({ text: "sent by now", base: 3, unsaved: false }, deleted as StateRegister).text).toBe("");
  });

  it("never loses what was typed here", () => {
    const mine = typed(EMPTY_DRAFT, "mine");
    expect(heard(mine, register(3, "theirs"))).toBe(mine);
    // Its base stays: the server sees that it was typed without knowing of theirs, and keeps both.
    expect(mine.base).toBe(0);
  });

  it("goes on being unsaved when more was typed meanwhile", () => {
    const more = typed(typed(EMPTY_DRAFT, "a"), "ab");
    expect(saved(more, "a", register(2, "a"))).toEqual({ text: "ab", base: 2, unsaved: true });
    expect(saved(more, "ab", register(2, "ab"))).toEqual({ text: "ab", base: 2, unsaved: false });
  });

  it("shows what was typed elsewhere beside it, with its device", () => {
    expect(othersOf(register(3, "theirs", ["mine"]), "mine", "p")).toEqual([{ text: "theirs", device: "laptop" }]);
    expect(othersOf(register(3, "mine", ["theirs"]), "mine", "l")).toEqual([{ text: "theirs", device: "phone" }]);
    expect(othersOf(register(3, "theirs"), "mine", "p")).toEqual([]);
    expect(othersOf(register(3, "theirs", ["mine"]), "mine, and more", "p").map(({ text }) => text)).toEqual(["theirs"]);
    expect(othersOf(undefined, "mine", "p")).toEqual([]);
  });

  it("leaves what nobody decided about when the text is sent", () => {
    expect(left(othersOf(register(3, "theirs", ["mine"]), "mine", "p"))).toBe("theirs");
    expect(left([])).toBe("");
  });
});
