import { describe, expect, it } from "vitest";
import type { StateRegister } from "../generated/protocol";
import { draftKeyOf, EMPTY_DRAFT, heard, holdsOnly, inherited, isMissing, isSavedElsewhere, left, missed, moved, othersOf, pointOf, saved, takenOver, typed } from "./drafts";
import { oldReadKeyOf, readKeyOf, readTo } from "./read";

const laptop = { hlc: { ms: 20, count: 0, node: "on laptop" }, device_id: "l", device_name: "laptop" };
const phone = { hlc: { ms: 10, count: 0, node: "on phone" }, device_id: "p", device_name: "phone" };
const register = (version: number, value: string, others: string[] = []) =>
  ({ version, value, ...laptop, ...(others.length > 0 && { others: others.map((text) => ({ text, ...phone })) }) }) as unknown as StateRegister;
/** A composer that shows this. */
const showing = (text: string, node = "of nobody") => ({ ...EMPTY_DRAFT, text, node });

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
    expect(othersOf(register(3, "theirs", ["mine"]), showing("mine", "on phone"), "p")).toEqual([{ text: "theirs", device: "laptop" }]);
    expect(othersOf(register(3, "mine", ["theirs"]), showing("mine", "on laptop"), "l")).toEqual([{ text: "theirs", device: "phone" }]);
    expect(othersOf(register(3, "theirs"), showing("mine"), "p")).toEqual([]);
    expect(othersOf(register(3, "theirs", ["mine"]), showing("mine, and more", "on phone"), "p").map(({ text }) => text)).toEqual(["theirs"]);
    expect(othersOf(undefined, showing("mine"), "p")).toEqual([]);
  });

  it("shows what was typed in another window of the same device beside it, in each of them", () => {
    const apart = { ...register(3, "second", ["first"]), device_id: "p" } as StateRegister;
    expect(othersOf(apart, showing("second", "on laptop"), "p")).toEqual([{ text: "first", device: "another window of this device" }]);
    const first = heard({ ...showing("first", "on phone"), base: 2 }, apart);
    expect(first).toMatchObject({ text: "first", base: 3, unsaved: false });
    expect(othersOf(apart, first, "p")).toEqual([{ text: "second", device: "another window of this device" }]);
  });

  it("is written later than everything its screen wrote and knows of, also where a clock was set back", () => {
    const draft = { ...showing("mine", "n"), at: 15 };
    expect([pointOf(draft, undefined, 100)?.ms, pointOf(draft, undefined, 5)?.ms, pointOf(draft, register(3, "theirs"), 5)?.ms, pointOf(draft, undefined, 5)?.node]).toEqual([100, 16, 21, "n"]);
    expect(pointOf(EMPTY_DRAFT, undefined, 5)).toBeUndefined();
  });

  it("is taken over from a screen that is gone", () => {
    const saved = { key: "draft:s", text: "saved", base: 4, unsaved: false };
    const kept = { key: "draft:s", text: "kept", base: 3, unsaved: true };
    expect(takenOver(undefined, [], "draft:s")).toBe(EMPTY_DRAFT);
    expect(takenOver(undefined, [saved], "draft:s")).toBe(saved);
    // The server has it, where it was sent from or went along.
    expect(takenOver(undefined, [saved], "draft:t")).toBe(EMPTY_DRAFT);
    expect(takenOver({ ...saved, text: "" }, [{ ...saved, base: 9 }], "draft:s").text).toBe("");
    expect(takenOver(saved, [kept], "draft:s")).toBe(kept);
    expect(takenOver({ ...kept, text: "mine", base: 2 }, [kept, { ...kept, base: 1 }, { ...kept, text: "" }], "draft:s")).toEqual({ ...kept, text: "mine\n\nkept" });
  });

  it("leaves what nobody decided about when the text is sent", () => {
    expect(left("mine", "mine", othersOf(register(3, "theirs", ["mine"]), showing("mine"), "p"))).toBe("theirs");
    expect(left("mine", "mine", [])).toBe("");
  });

  it("shows a text it did not know of once its own was sent", () => {
    const sent = { text: "", base: 2, unsaved: true };
    expect(saved(sent, "", register(5, "theirs"))).toEqual({ text: "theirs", base: 5, unsaved: false });
    expect(saved(typed(sent, "next"), "", register(5, "theirs"))).toEqual({ text: "next", base: 2, unsaved: true });
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
