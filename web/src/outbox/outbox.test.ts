import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as disk from "../disk/disk";
import type { Command } from "../generated/protocol";
import { Refusal, Unreachable } from "../identity/failure";
import { LinkLost } from "../link/calls";
import type { Ask } from "../link/wire";
import type { DraftSent, Entry, LocalFile } from "./entry";
import { Outbox } from "./outbox";

/** Web Locks, as far as the outbox uses them: one after the other. */
class Locks {
  #last: Promise<unknown> = Promise.resolve();

  request(_: string, work: () => Promise<unknown>): Promise<unknown> {
    this.#last = this.#last.then(work, work);
    return this.#last;
  }
}

class Server {
  up = true;
  /** What the next sends meet; nothing means that they are accepted. */
  fails: Error[] = [];
  /** What the next drafts that are taken away meet. */
  forgetFails: Error[] = [];
  /** Every key that arrived, repetitions included. */
  arrived: string[] = [];
  /** Whether the words were on the disk at each arrival. */
  wasKept: boolean[] = [];

  isUp(): boolean {
    return this.up;
  }

  async upload(_: Entry, file: LocalFile): Promise<void> {
    this.arrived.push(file.attachment.name);
    const failure = this.fails.shift();
    if (failure) throw failure;
  }

  async forget({ key }: DraftSent): Promise<void> {
    this.arrived.push(key);
    const failure = this.forgetFails.shift();
    if (failure) throw failure;
  }

  async submit(ask: Ask<"command_submit">): Promise<Command> {
    this.arrived.push(ask.key ?? "");
    this.wasKept.push((await disk.get<Entry>("outbox", ask.key ?? "")) !== undefined);
    const failure = this.fails.shift();
    if (failure) throw failure;
    return { id: "c" } as Command;
  }
}

const ask = (prompt: string): Ask<"command_submit"> => ({ target: { project_id: "p" }, payload: { prompt }, mode: "queue" });
const boxes: Outbox[] = [];
let server: Server;
let shown: Entry[];

function outbox(): Outbox {
  const box = new Outbox(server, (entries) => (shown = entries));
  boxes.push(box);
  return box;
}

beforeEach(async () => {
  await disk.forgetEverything();
  vi.stubGlobal("navigator", { locks: new Locks() });
  server = new Server();
  shown = [];
});
afterEach(() => boxes.splice(0).forEach((box) => box.close()));

describe("the outbox", () => {
  it("has the words on the disk before the first try, and gives them up after the acknowledgement", async () => {
    const box = outbox();
    await box.put(ask("hello"));
    await box.deliver();
    expect(server.wasKept).toEqual([true]);
    expect(shown).toEqual([]);
  });

  it("keeps what was written without a connection, and sends it once on return, in order", async () => {
    server.up = false;
    const box = outbox();
    const [first, second] = [await box.put(ask("one")), await box.put(ask("two"))];
    expect(shown.map((entry) => entry.key)).toEqual([first.key, second.key]);
    server.up = true;
    await Promise.all([box.deliver(), box.deliver()]);
    expect(server.arrived).toEqual([first.key, second.key]);
    expect(shown).toEqual([]);
  });

  it("sends the same key again when the answer was lost, on a link that is still there too", async () => {
    server.fails = [new LinkLost("went")];
    const box = outbox();
    const timers = vi.spyOn(globalThis, "setTimeout");
    const { key } = await box.put(ask("hello"));
    await vi.waitUntil(() => timers.mock.calls.some(([, ms]) => ms === 5_000));
    timers.mockRestore();
    await box.deliver();
    expect(new Set(server.arrived)).toEqual(new Set([key]));
    expect(shown).toEqual([]);
  });

  it("keeps what was refused, with the reason, until somebody decides", async () => {
    server.fails = [new Refusal({ code: "PROJECT_NOT_FOUND", message: "gone" })];
    const box = outbox();
    await box.put(ask("hello"));
    await box.deliver();
    expect(shown).toMatchObject([{ refused: { code: "PROJECT_NOT_FOUND" } }]);
    await box.deliver();
    expect(server.arrived).toHaveLength(1);
    const [entry] = shown;
    if (entry) await box.retry(entry);
    await box.deliver();
    expect(shown).toEqual([]);
    expect(new Set(server.arrived).size).toBe(1);
  });

  it("waits after refusals that time may heal", async () => {
    server.fails = [new Refusal({ code: "RATE_LIMITED", message: "slowly" })];
    const box = outbox();
    await box.put(ask("hello"));
    await box.deliver();
    expect(server.arrived).toHaveLength(2);
    expect(shown).toEqual([]);
  });

  it("keeps files with their words, and hands them over first", async () => {
    server.up = false;
    const box = outbox();
    const file = { attachment: { hash: "0", name: "a.png", media_type: "image/png", bytes: 2 }, bytes: new Uint8Array([1, 2]) };
    const { key } = await box.put(ask("look"), [file]);
    expect([...((await disk.get<Entry>("outbox", key))?.files?.[0]?.bytes ?? [])]).toEqual([1, 2]);
    server.up = true;
    server.fails = [new Unreachable("broke off")];
    await box.deliver();
    expect(shown).toHaveLength(1);
    await box.deliver();
    expect(server.arrived).toEqual(["a.png", "a.png", key]);
    expect(shown).toEqual([]);
  });

  it("takes a draft away once the server has what was sent, and keeps both until then", async () => {
    server.up = false;
    const box = outbox();
    const { key } = await box.put(ask("hello"), [], { key: "draft:s", base_version: 7 });
    expect((await disk.get<Entry>("outbox", key))?.draft).toEqual({ key: "draft:s", base_version: 7 });
    server.up = true;
    server.fails = [new LinkLost("went")];
    await box.deliver();
    expect(server.arrived).toEqual([key]);
    server.forgetFails = [new LinkLost("went"), new Refusal({ code: "RESOURCE_LIMIT", message: "full" })];
    await box.deliver();
    expect([server.arrived, shown.length]).toEqual([[key, key, "draft:s"], 1]);
    await box.deliver();
    expect([server.arrived, shown]).toEqual([[key, key, "draft:s", key, "draft:s"], []]);
  });

  it("sends each once although two tabs deliver", async () => {
    server.up = false;
    const [one, two] = [outbox(), outbox()];
    await one.put(ask("hello"));
    server.up = true;
    await Promise.all([one.deliver(), two.deliver()]);
    expect(server.arrived).toHaveLength(1);
  });
});
