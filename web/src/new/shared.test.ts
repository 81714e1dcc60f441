import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import * as disk from "../disk/disk";
import { SHARE_PATH, SHARED_CACHE, takeShare, WAITING_BYTES_MAX } from "../worker/share";
import { filesOf, remarkOf, type Shared, takeShared, textOf } from "./shared";

/** One cache, as far as worker and page use it. */
class OneCache {
  readonly rows = new Map<string, Response>();

  async put(path: string, response: Response): Promise<void> {
    this.rows.set(path, response);
  }

  async matchAll(): Promise<Response[]> {
    return [...this.rows.values()];
  }

  async keys(): Promise<string[]> {
    return [...this.rows.keys()];
  }

  async match(path: string): Promise<Response | undefined> {
    return this.rows.get(path)?.clone();
  }

  async delete(path: string): Promise<boolean> {
    return this.rows.delete(path);
  }
}

let cache: OneCache;
beforeEach(() => {
  cache = new OneCache();
  vi.stubGlobal("caches", { open: async () => cache });
  vi.stubGlobal("navigator", { locks: { request: (_: string, work: () => unknown) => work() } });
});

function form(texts: Record<string, string>, files: readonly File[] = []): FormData {
  const made = new FormData();
  for (const [name, text] of Object.entries(texts)) made.append(name, text);
  for (const file of files) made.append("files", file);
  return made;
}

/** Where the worker leads what is posted. */
async function posted(body: BodyInit): Promise<string> {
  const response = await takeShare(new Request(`https://afield.example${SHARE_PATH}`, { method: "POST", body }));
  return `${response.status} ${response.headers.get("location")}`;
}

async function taken(): Promise<Shared[]> {
  const all: Shared[] = [];
  await takeShared(async (shared) => void all.push(shared));
  return all;
}

describe("what other apps share", () => {
  it("is taken once, and nothing that came in between is lost", async () => {
    expect(await posted(form({ title: "A", text: "A", url: "https://x" }))).toBe("303 https://afield.example/new?shared=kept");
    await posted(form({ text: "B" }, [new File(["one"], "one.txt"), new File(["two"], "two.png")]));
    const [shared, ...more] = await taken();
    expect([shared?.text, shared?.files.map(({ name }) => name), more]).toEqual(["A\n\nhttps://x\n\nB", ["one.txt", "two.png"], []]);
    expect(await shared?.files[0]?.text()).toBe("one");
    expect(await taken()).toEqual([]);
  });

  it("waits on when taking it failed", async () => {
    await posted(form({ text: "A" }));
    await expect(takeShared(() => Promise.reject(new Error("full")))).rejects.toThrow("full");
    expect((await taken()).map(({ text }) => text)).toEqual(["A"]);
  });

  it("has a limit, with all that waits, and says when it can't be kept", async () => {
    await posted(form({ text: "A" }));
    expect(await posted(new Blob([new Uint8Array(WAITING_BYTES_MAX)]))).toMatch(/shared=too-large$/);
    expect(cache.rows.size).toBe(1);
    vi.spyOn(cache, "put").mockRejectedValue(new DOMException("full", "QuotaExceededError"));
    expect(await posted(form({ text: "B" }))).toMatch(/shared=failed$/);
  });

  it("is said to be unreadable where it is", async () => {
    await posted("no form");
    await posted(form({ text: "A" }));
    expect(await takeShared(async ({ text }) => expect(text).toBe("A"))).toEqual({ found: 2, unreadable: 1 });
  });
});

describe("a form that was shared", () => {
  it("is a prompt and its files, as far as there are any", () => {
    expect(textOf(form({ title: " A ", text: "", other: "B" }))).toBe("A");
    expect(filesOf(form({ files: "no file" }, [new File([], ""), new File([], "empty.txt")])).map(({ name }) => name)).toEqual(["empty.txt"]);
  });

  it("did not arrive for a reason, in words", () => {
    const words = (mark: string, found = 1, unreadable = 0) => remarkOf(mark, { found, unreadable });
    expect([words("kept"), words("")]).toEqual([undefined, undefined]);
    expect([words("kept", 0), words("kept", 2, 1), words("too-large"), words("failed")]).toEqual([expect.stringMatching(/did not arrive/), expect.stringMatching(/can't be read/), expect.stringMatching(/too large/), expect.stringMatching(/no room/)]);
  });
});

it("worker, app and manifest call things by the same names", () => {
  expect(SHARED_CACHE).toBe(disk.SHARED_CACHE);
  const { share_target } = JSON.parse(readFileSync("public/manifest.webmanifest", "utf8")) as { share_target: { action: string; params: { title: string; text: string; url: string; files: { name: string }[] } } };
  const { title, text, url, files } = share_target.params;
  expect([share_target.action, title, text, url, files.map(({ name }) => name)]).toEqual([SHARE_PATH, "title", "text", "url", ["files"]]);
});
