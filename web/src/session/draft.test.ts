import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import * as disk from "../disk/disk";
import { keepDraft, loadDraft, OwnDraft } from "./draft";
import { EMPTY_DRAFT } from "./drafts";

/** Web Locks, as far as drafts use them: of one name, one after the other. */
class Locks {
  readonly #waiting = new Map<string, Promise<unknown>[]>();

  async request(name: string, work: () => unknown): Promise<unknown> {
    const before = this.#waiting.get(name) ?? [];
    const mine = Promise.allSettled(before).then(work);
    this.#waiting.set(name, [...before, mine]);
    await mine;
    this.#waiting.set(name, (this.#waiting.get(name) ?? []).filter((one) => one !== mine));
    return mine;
  }

  async query(): Promise<LockManagerSnapshot> {
    return { held: [...this.#waiting].filter(([, waiting]) => waiting.length > 0).map(([name]) => ({ name, mode: "exclusive", clientId: "" })), pending: [] };
  }
}

const screen = (name: string) => new OwnDraft("p", Promise.resolve(name));
const draft = (text: string, base = 0) => ({ key: "draft:p", text, base, unsaved: true });

beforeEach(async () => {
  await disk.forgetEverything();
  vi.stubGlobal("navigator", { locks: new Locks() });
});

describe("what is kept of a draft", () => {
  it("is there again after a reload", async () => {
    const before = screen("one");
    await before.open("draft:p");
    await before.keep(draft("typed"));
    before.close();
    expect(await screen("one").open("draft:p")).toEqual(draft("typed"));
  });

  it("is each screen's own while it is open", async () => {
    const [one, two] = [screen("one"), screen("two")];
    await one.open("draft:p");
    await one.keep(draft("first"));
    expect(await two.open("draft:p")).toEqual(EMPTY_DRAFT);
    await two.keep(draft("second"));
    one.close();
    two.close();
    expect(await screen("one").open("draft:p")).toMatchObject({ text: "first\n\nsecond" });
  });

  it("stays where it is when the server has it and the one that opens has its own", async () => {
    const [one, two] = [screen("one"), screen("two")];
    await one.open("draft:p");
    await two.open("draft:p");
    await two.keep({ ...draft("second", 2), unsaved: false });
    one.close();
    two.close();
    expect((await screen("one").open("draft:p")).text).toBe("");
    expect((await screen("two").open("draft:p")).text).toBe("second");
  });

  it("is taken over once from a screen that is gone", async () => {
    const gone = screen("gone");
    await gone.open("draft:p");
    await gone.keep(draft("typed"));
    gone.close();
    const opened = await Promise.all([screen("one").open("draft:p"), screen("two").open("draft:p"), new OwnDraft("other", Promise.resolve("three")).open("draft:other")]);
    expect(opened.map(({ text }) => text).sort()).toEqual(["", "", "typed"]);
    expect((await disk.keys("settings")).sort()).toEqual(["draft-of:other/three", "draft-of:p/one", "draft-of:p/two"]);
  });

  it("is not written over before it was read, nor once its composer is closed", async () => {
    await keepDraft("p", draft("by an older app"));
    const one = screen("one");
    await one.keep(draft("too early"));
    expect(await one.open("draft:p")).toEqual(draft("by an older app"));
    one.close();
    await one.keep(draft("too late"));
    expect((await screen("two").open("draft:p")).text).toBe("by an older app");
    expect(await loadDraft("p")).toBe(EMPTY_DRAFT);
  });
});
