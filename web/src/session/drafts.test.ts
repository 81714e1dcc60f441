import { describe, expect, it } from "vitest";
import type { StateRegister } from "../generated/protocol";
import { draftKeyOf, EMPTY_DRAFT, heard, holdsOnly, inherited, isMissing, isSavedElsewhere, left, missed, moved, othersOf, saved, typed } from "./drafts";
import { oldReadKeyOf, readKeyOf, readTo } from "./read";

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

  it("is emptied where the server listed it once and deleted it, and stays where the server never had it", () => {
    const kept = { key: "draft:s", text: "sent by now", base: 3, unsaved: false };
    expect([isMissing(kept, undefined), isMissing(kept, register(3, "sent by now")), isMissing({ ...kept, base: 0 }, undefined), isMissing(typed(kept, "more"), undefined)]).toEqual([true, false, false, false]);
    const { value: _, ...deleted } = register(4, "");
    expect(missed(kept, deleted as StateRegister)).toEqual({ key: "draft:s", text: "", base: 4, unsaved: false });
    expect(missed(kept, undefined)).toEqual({ key: "draft:s", text: "sent by now", base: 0, unsaved: true });
    // A backup was put back that knows of an older one.
    expect(missed(kept, { ...deleted, version: 2 } as StateRegister)).toEqual({ key: "draft:s", text: "sent by now", base: 2, unsaved: true });
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
    expect(left("mine", "mine", othersOf(register(3, "theirs", ["mine"]), "mine", "p"))).toBe("theirs");
    expect(left("mine", "mine", [])).toBe("");
  });

  it("leaves what was typed while the text was sent", () => {
    expect(left("mine, and more", "mine", [])).toBe(", and more");
    expect(left("something else", "mine", [])).toBe("something else");
    expect(left("mine, and more", "mine", [{ text: "theirs", device: "laptop" }])).toBe(", and more\n\ntheirs");
  });

  it("takes the same words from another screen for saved", () => {
    expect(heard(typed(EMPTY_DRAFT, "same"), register(3, "same"))).toEqual({ text: "same", base: 3, unsaved: false });
    const both = typed(EMPTY_DRAFT, "same");
    expect(heard(both, register(3, "same", ["other"]))).toBe(both);
  });

  it("belongs to a conversation, and goes along into the next one", () => {
    expect([draftKeyOf({ id: "p", session_id: "s" }), draftKeyOf({ id: "p", session_id: null })]).toEqual(["draft:s", "draft:p"]);
    const draft = { key: "draft:s", text: "typed", base: 7, unsaved: false };
    expect(moved(draft, "draft:s")).toBe(draft);
    expect(moved(draft, "draft:t")).toEqual({ key: "draft:t", text: "typed", base: 0, unsaved: true });
    expect(moved({ ...draft, text: "" }, "draft:t").unsaved).toBe(false);
    expect([isSavedElsewhere(draft, "draft:t"), isSavedElsewhere(draft, "draft:s"), isSavedElsewhere(typed(draft, "more"), "draft:t"), isSavedElsewhere({ ...draft, text: "" }, "draft:t")]).toEqual([true, false, false, false]);
  });

  it("is taken from where it was only if nothing else stands there", () => {
    expect([holdsOnly(register(1, "mine"), "mine"), holdsOnly(register(1, "theirs"), "mine"), holdsOnly(register(1, "mine", ["theirs"]), "mine"), holdsOnly(undefined, "mine")]).toEqual([true, false, false, false]);
  });

  it("begins with what was kept for the project, once", () => {
    const here = moved(EMPTY_DRAFT, "draft:s");
    expect(inherited(here, undefined, register(2, "of old"))).toMatchObject({ key: "draft:s", text: "of old", base: 0, unsaved: true });
    expect(inherited(here, register(3, ""), register(2, "of old"))).toBe(here);
    const mine = typed(here, "mine");
    expect(inherited(mine, undefined, register(2, "of old"))).toBe(mine);
    expect(inherited(here, undefined, undefined)).toBe(here);
  });
});

describe("a read marker", () => {
  const place = { id: "p", session_id: "s" };
  const registers = (all: Record<string, unknown>) => new Map(Object.entries(all).map(([key, value]) => [key, { key, value } as StateRegister]));

  it("is of the conversation; before there is one, the project's counts", () => {
    expect([readKeyOf(place), readKeyOf({ id: "p", session_id: null }), oldReadKeyOf(place), oldReadKeyOf({ id: "p", session_id: null })]).toEqual(["read:s", "read:p", "read:p", undefined]);
    expect(readTo(registers({ "read:p": 4, "read:s": 9 }), place)).toBe(9);
    expect(readTo(registers({ "read:p": 4 }), place)).toBe(4);
    expect([readTo(registers({}), place), readTo(registers({ "read:s": "x" }), place)]).toEqual([undefined, undefined]);
  });
});
