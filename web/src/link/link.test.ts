import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Refusal, ServerKeyChanged } from "../identity/failure";
import { waitBefore } from "./backoff";
import { LinkLost, NotConnected } from "./calls";
import { closing } from "./closing";
import { Cursor } from "./cursor";
import { Link, type Socket } from "./link";
import type { LinkState } from "./status";
import type { TopicEvent } from "./wire";

class FakeSocket implements Socket {
  readonly sent: { type: string; id: string; data: Record<string, unknown> }[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((end: { code: number; reason: string }) => void) | null = null;
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  answer(type: string, data: unknown): void {
    const asked = this.sent.findLast((one) => one.type === type);
    if (!asked) throw new Error(`${type} was not asked`);
    this.say({ type, id: asked.id, data });
  }
}

class World {
  sockets: FakeSocket[] = [];
  dials: boolean[] = [];
  states: LinkState[] = [];
  events: TopicEvent[] = [];
  missing: unknown[] = [];
  network = true;
  dialError: Error | undefined;
  connected = vi.fn(async () => {});
  link = new Link(
    {
      dial: async (afresh) => {
        this.dials.push(afresh);
        if (this.dialError) throw this.dialError;
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket;
      },
      now: () => Date.now(),
      random: () => 0.5,
      hasNetwork: () => this.network,
      isWatched: () => false,
    },
    {
      state: (state) => void this.states.push(state),
      event: (event) => void this.events.push(event),
      missing: (topic, missing) => void this.missing.push({ topic, ...missing }),
      connected: () => this.connected(),
    },
  );

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("nothing was dialled");
    return last;
  }

  get is(): string {
    return this.link.state.status.is;
  }

  async open(): Promise<void> {
    this.link.start();
    await vi.advanceTimersByTimeAsync(0);
    this.socket.onopen?.();
    await vi.advanceTimersByTimeAsync(0);
  }
}

let world: World;
beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
});
afterEach(() => {
  world.link.stop();
  vi.useRealTimers();
});

const fact = (topic: string, seq?: number) => ({ type: "event", topic, seq, at: "2026-01-01T00:00:00Z", data: { type: "server_stats", data: {} } });

describe("the link", () => {
  it("says live only after what was missed is there", async () => {
    let caughtUp = () => {};
    world.connected.mockImplementation(() => new Promise<void>((resolve) => (caughtUp = resolve)));
    await world.open();
    expect(world.is).toBe("catching-up");
    caughtUp();
    await vi.advanceTimersByTimeAsync(0);
    expect(world.is).toBe("live");
  });

  it("gives each reply to its request, whatever their order", async () => {
    await world.open();
    const [one, two] = [world.link.request("project_list"), world.link.request("runner_list")];
    world.socket.answer("runner_list", { runners: [] });
    world.socket.answer("project_list", { projects: [] });
    expect(await one).toEqual({ projects: [] });
    expect(await two).toEqual({ runners: [] });
  });

  it("gives refusals as they were put", async () => {
    await world.open();
    const asked = world.link.request("project_list");
    const id = world.socket.sent.at(-1)?.id;
    world.socket.say({ type: "error", id, data: { code: "FORBIDDEN", message: "no" } });
    await expect(asked).rejects.toThrow(Refusal);
  });

  it("gives up on a request after its time", async () => {
    await world.open();
    const asked = world.link.request("project_list", {}, 1000);
    const lost = expect(asked).rejects.toThrow(LinkLost);
    await vi.advanceTimersByTimeAsync(1000);
    await lost;
  });

  it("tries at once, then waits longer and longer, and says when it tries next", async () => {
    await world.open();
    world.socket.onclose?.({ code: 1006, reason: "" });
    await vi.advanceTimersByTimeAsync(0);
    expect(world.dials).toEqual([false, false]);
    world.socket.onclose?.({ code: 1006, reason: "" });
    expect(world.link.state.status).toMatchObject({ is: "reconnecting", nextTryAt: Date.now() + 50 });
    await vi.advanceTimersByTimeAsync(50);
    expect(world.dials).toEqual([false, false, true]);
  });

  it("goes on after the last event it has, and takes none twice", async () => {
    await world.open();
    const followed = world.link.follow("org:1", 4);
    world.socket.answer("subscribe", { topic: "org:1", seq: 6, verdict: "ok" });
    await followed;
    for (const seq of [5, 6, 6]) world.socket.say(fact("org:1", seq));
    world.socket.onclose?.({ code: 1006, reason: "" });
    await vi.advanceTimersByTimeAsync(0);
    world.socket.onopen?.();
    expect(world.socket.sent).toMatchObject([{ type: "subscribe", data: { topic: "org:1", after: 6 } }]);
    expect(world.events.map((event) => event.seq)).toEqual([5, 6]);
  });

  it("tells what is missing instead of passing over it", async () => {
    await world.open();
    const followed = world.link.follow("org:1", 4);
    world.socket.answer("subscribe", { topic: "org:1", seq: 4, verdict: "ok" });
    await followed;
    world.socket.say(fact("org:1", 8));
    world.socket.say({ type: "gap", data: { topic: "org:1", first: 9, last: 11 } });
    expect(world.missing).toEqual([
      { topic: "org:1", first: 5, last: 7 },
      { topic: "org:1", first: 9, last: 11 },
    ]);
  });

  it("goes on without a project that was deleted meanwhile", async () => {
    await world.open();
    const follow = (topic: string) => {
      const followed = world.link.follow(topic);
      world.socket.answer("subscribe", { topic, seq: 4, verdict: "ok" });
      return followed;
    };
    await Promise.all([follow("project:gone"), follow("project:p")]);
    world.socket.onclose?.({ code: 1006, reason: "" });
    await vi.advanceTimersByTimeAsync(1000);
    world.socket.onopen?.();
    const [gone, still] = world.socket.sent;
    world.socket.say({ type: "error", id: gone?.id, data: { code: "PROJECT_NOT_FOUND", message: "gone" } });
    world.socket.say({ type: "subscribe", id: still?.id, data: { topic: "project:p", seq: 4, verdict: "ok" } });
    await vi.advanceTimersByTimeAsync(0);
    expect(world.is).toBe("live");
    expect([world.link.isFollowing("project:gone"), world.link.isFollowing("project:p")]).toEqual([false, true]);
  });

  it("does not follow what it was refused", async () => {
    await world.open();
    const refused = expect(world.link.follow("project:gone")).rejects.toThrow(Refusal);
    world.socket.say({ type: "error", id: world.socket.sent.at(-1)?.id, data: { code: "PROJECT_NOT_FOUND", message: "gone" } });
    await refused;
    expect(world.link.isFollowing("project:gone")).toBe(false);
  });

  it("does not try again what a person has to solve", async () => {
    await world.open();
    world.socket.onclose?.({ code: 4401, reason: "" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.is).toBe("refused");
    expect(world.dials).toHaveLength(1);
  });

  it("signs nothing for another server, and says so", async () => {
    world.dialError = new ServerKeyChanged();
    world.link.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.link.state.status).toMatchObject({ is: "refused", code: "SERVER_KEY_CHANGED" });
    expect(world.dials).toHaveLength(1);
  });

  it("lets one who asks too early wait until it is open", async () => {
    world.link.start();
    let asked = false;
    const ready = world.link.ready().then(() => (asked = true));
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toBe(false);
    world.socket.onopen?.();
    await ready;
    expect(world.socket.closed).toBe(false);
  });

  it("lets nobody wait longer than makes sense", async () => {
    world.dialError = new Error("nobody there");
    world.link.start();
    const late = expect(world.link.ready()).rejects.toThrow("no connection within 10 s");
    await vi.advanceTimersByTimeAsync(10_000);
    await late;
    world.dialError = new ServerKeyChanged();
    const refused = expect(world.link.ready()).rejects.toThrow("another key than");
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
  });

  it("is offline when the device says so, and comes back at once", async () => {
    await world.open();
    world.network = false;
    world.link.networkLost();
    expect(world.is).toBe("offline");
    expect(world.socket.closed).toBe(true);
    await expect(world.link.request("project_list")).rejects.toThrow(NotConnected);
    await expect(world.link.ready()).rejects.toThrow("no network");
    world.network = true;
    world.link.nudge();
    await vi.advanceTimersByTimeAsync(0);
    expect(world.dials).toHaveLength(2);
  });

  it("asks a silent server whatever became of the clock", async () => {
    await world.open();
    vi.setSystemTime(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(80_000);
    expect(world.is).toBe("reconnecting");
  });

  it("asks a silent server, and drops one that does not answer", async () => {
    await world.open();
    await vi.advanceTimersByTimeAsync(75_000);
    expect(world.socket.sent.at(-1)?.type).toBe("hold_list");
    await vi.advanceTimersByTimeAsync(5_000);
    expect(world.sockets[0]?.closed).toBe(true);
    expect(world.is).toBe("reconnecting");
  });
});

describe("waiting", () => {
  it("has full jitter between nothing and a bound that grows to 30 s", () => {
    expect(waitBefore(0, false, () => 1)).toBe(0);
    expect(waitBefore(1, false, () => 1)).toBe(100);
    expect(waitBefore(4, true, () => 0.5)).toBe(400);
    expect(waitBefore(60, false, () => 1)).toBe(30_000);
    expect(waitBefore(60, true, () => 1)).toBe(5_000);
    expect(waitBefore(60, false, () => 0)).toBe(0);
  });
});

describe("close codes", () => {
  it("are told apart", () => {
    expect(closing(1006, "")).toEqual({ then: "again" });
    expect(closing(4408, "")).toEqual({ then: "again" });
    expect(closing(1012, '{"retry_in_ms":250}')).toEqual({ then: "again", inMs: 250 });
    expect(closing(1012, "soon")).toEqual({ then: "again" });
    expect(closing(4401, "")).toEqual({ then: "never", code: "UNAUTHORIZED" });
  });
});

describe("a cursor", () => {
  it("goes back with a server that was restored", () => {
    const cursor = new Cursor(9);
    expect(cursor.subscribed({ topic: "t", seq: 5, verdict: "gap" })).toEqual({ first: 6, last: 9 });
    expect(cursor.after).toBe(5);
  });
});
