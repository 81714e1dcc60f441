/**
 * The one connection to the server: requests, followed topics, reconnecting, resuming.
 *
 * It owns the socket and the cursors and knows nothing of what the facts mean. Its surroundings
 * (dialling, time, the browser's signals) are given to it, so that tests need no network.
 */
import type { SubscribeReply } from "../generated/protocol";
import { Refusal, ServerKeyChanged } from "../identity/failure";
import { waitBefore } from "./backoff";
import { Calls, NotConnected } from "./calls";
import { closing } from "./closing";
import { Cursor, type Missing } from "./cursor";
import { inWords, isUp, type LinkState, type LinkStatus } from "./status";
import { Waiters } from "./waiters";
import { type Ask, type Incoming, read, type Reply, type RequestName, type TopicEvent } from "./wire";

/** What the link needs of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((message: { data: string }) => void) | null;
  onclose: ((end: { code: number; reason: string }) => void) | null;
}

export interface Surroundings {
  /** Signs and opens. `afresh` after a try that never opened: what is known of the server may be old. */
  dial(afresh: boolean): Promise<Socket>;
  now(): number;
  random(): number;
  hasNetwork(): boolean;
  /** Whether somebody looks at the page. */
  isWatched(): boolean;
}

export interface Listener {
  state(state: LinkState): void;
  event(event: TopicEvent): void;
  /** These events of a topic will not come. */
  missing(topic: string, missing: Missing): void;
  /** Connected, and what was followed before is again: follow the rest, then load what no topic tells. */
  connected(): Promise<void>;
}

/** The server says something at least every 30 s (`connection_health`); after this it is gone. */
const SILENCE_MAX_MS = 75_000;
/** After this silence a page that is looked at again asks, before it shows itself as live. */
const SILENCE_DOUBT_MS = 10_000;
const PROBE_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** A person who acts while the connection is on its way waits for it so long. */
const CONNECTION_WAIT_MS = 10_000;

export class Link {
  readonly #around: Surroundings;
  readonly #listener: Listener;
  readonly #calls = new Calls();
  readonly #waiters = new Waiters();
  readonly #cursors = new Map<string, Cursor>();
  #status: LinkStatus;
  #heardAt: number | undefined;
  #socket: Socket | undefined;
  #tries = 0;
  #afresh = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(around: Surroundings, listener: Listener) {
    this.#around = around;
    this.#listener = listener;
    this.#status = { is: "reconnecting", since: around.now(), tries: 0 };
  }

  get state(): LinkState {
    return this.#heardAt === undefined ? { status: this.#status } : { status: this.#status, heardAt: this.#heardAt };
  }

  start(): void {
    this.#plan(0);
  }

  /** Ends it for good. */
  stop(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#drop("the page leaves");
    this.#waiters.sendAway("the page leaves");
  }

  /** Until there is a connection, if one is on its way. **Errors**: `NotConnected`. */
  async ready(): Promise<void> {
    if (isUp(this.#status)) return;
    if (this.#status.is !== "reconnecting") throw new NotConnected(inWords(this.#status));
    await this.#waiters.wait(CONNECTION_WAIT_MS);
  }

  /** Asks something. **Errors**: `Refusal`; `NotConnected`; `LinkLost` when it is not known what became of it. */
  async request<K extends RequestName>(type: K, data: Ask<K> = {}, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Reply<K>> {
    if (!this.#socket || !isUp(this.#status)) throw new NotConnected(inWords(this.#status));
    const { id, reply } = this.#calls.begin(timeoutMs);
    this.#socket.send(JSON.stringify({ type, id, data }));
    return (await reply) as Reply<K>;
  }

  /** Follows a topic, after `after` or from now on; goes on by itself after every reconnect. */
  async follow(topic: string, after?: number): Promise<SubscribeReply> {
    const cursor = this.#cursors.get(topic) ?? new Cursor(after);
    this.#cursors.set(topic, cursor);
    try {
      return await this.#subscribe(topic, cursor);
    } catch (error) {
      this.#cursors.delete(topic);
      throw error;
    }
  }

  isFollowing(topic: string): boolean {
    return this.#cursors.has(topic);
  }

  async unfollow(topic: string): Promise<void> {
    if (this.#cursors.delete(topic) && this.#socket) await this.request("unsubscribe", { topic });
  }

  /** Something happened that may have helped (network, focus, waking up): look at once. */
  nudge(): void {
    if (this.#ended || this.#status.is === "refused") return;
    if (this.#socket) return this.#probe();
    this.#tries = 0;
    this.#plan(0);
  }

  /** The device says that its network went: nothing is live any more, whatever the socket thinks. */
  networkLost(): void {
    if (this.#ended || this.#status.is === "refused") return;
    this.#drop("the network went");
    clearTimeout(this.#timer);
    this.#become({ is: "offline", since: this.#around.now() });
  }

  /** A project that was deleted meanwhile is followed no more; the lists say that it is gone. */
  async #goOn(topic: string, cursor: Cursor): Promise<void> {
    try {
      await this.#subscribe(topic, cursor);
    } catch (error) {
      if (!(error instanceof Refusal && error.code === "PROJECT_NOT_FOUND")) throw error;
      this.#cursors.delete(topic);
    }
  }

  async #subscribe(topic: string, cursor: Cursor): Promise<SubscribeReply> {
    const reply = await this.request("subscribe", cursor.after === undefined ? { topic } : { topic, after: cursor.after });
    const missing = cursor.subscribed(reply);
    if (missing) this.#listener.missing(topic, missing);
    return reply;
  }

  #plan(inMs: number): void {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    if (!this.#around.hasNetwork()) return this.#become({ is: "offline", since: this.#since("offline") });
    const nextTryAt = this.#around.now() + inMs;
    this.#become({ is: "reconnecting", since: this.#since("reconnecting"), tries: this.#tries, ...(inMs > 0 ? { nextTryAt } : {}) });
    this.#timer = setTimeout(() => void this.#dial(), inMs);
  }

  async #dial(): Promise<void> {
    try {
      const socket = await this.#around.dial(this.#afresh);
      if (this.#ended || this.#socket || this.#status.is === "offline") return socket.close();
      this.#attach(socket);
    } catch (error) {
      this.#dialFailed(error);
    }
  }

  #dialFailed(error: unknown): void {
    if (error instanceof ServerKeyChanged) return this.#refuse("SERVER_KEY_CHANGED", error.message);
    if (error instanceof Refusal && (error.code === "UNAUTHORIZED" || error.code === "FORBIDDEN")) return this.#refuse(error.code, error.message);
    this.#again();
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      void this.#opened(socket);
    };
    socket.onmessage = ({ data }) => this.#heard(data);
    socket.onclose = ({ code, reason }) => {
      if (this.#socket !== socket) return;
      this.#afresh = !opened;
      this.#closed(code, reason);
    };
  }

  async #opened(socket: Socket): Promise<void> {
    this.#noteHeard();
    this.#become({ is: "catching-up", since: this.#around.now() });
    try {
      await Promise.all([...this.#cursors].map(([topic, cursor]) => this.#goOn(topic, cursor)));
      await this.#listener.connected();
      if (this.#socket !== socket) return;
      this.#tries = 0;
      this.#become({ is: "live", since: this.#around.now() });
    } catch (error) {
      if (this.#socket === socket) this.#failed(error);
    }
  }

  /** Catching up did not work: what the server refuses for good is shown, the rest is tried again. */
  #failed(error: unknown): void {
    this.#drop("catching up failed");
    this.#dialFailed(error);
  }

  #closed(code: number, reason: string): void {
    this.#drop(`the connection closed (${code})`);
    const end = closing(code, reason);
    if (end.then === "never") return this.#refuse(end.code, reason || `the server closed the connection (${code})`);
    this.#again(end.inMs);
  }

  #again(inMs?: number): void {
    const wait = inMs ?? waitBefore(this.#tries, this.#around.isWatched(), () => this.#around.random());
    this.#tries += 1;
    this.#plan(wait);
  }

  #refuse(code: Extract<LinkStatus, { is: "refused" }>["code"], message: string): void {
    clearTimeout(this.#timer);
    this.#become({ is: "refused", since: this.#around.now(), code, message });
  }

  #drop(why: string): void {
    clearTimeout(this.#watch);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#calls.allLost(why);
  }

  #heard(text: string): void {
    this.#noteHeard();
    const frame: Incoming = read(text);
    if (frame.kind === "reply") this.#calls.answered(frame.id, frame.data);
    else if (frame.kind === "refused") this.#calls.refused(frame.id, frame.error);
    else if (frame.kind === "event") this.#event(frame.event);
    else if (frame.kind === "gap") this.#gap(frame.lost.topic, frame.lost.first, frame.lost.last);
  }

  #event(event: TopicEvent): void {
    const step = this.#cursors.get(event.topic)?.event(event.seq);
    if (step?.is !== "take") return;
    if (step.missing) this.#listener.missing(event.topic, step.missing);
    this.#listener.event(event);
  }

  #gap(topic: string, first: number, last: number): void {
    const missing = this.#cursors.get(topic)?.lost(first, last);
    if (missing) this.#listener.missing(topic, missing);
  }

  #noteHeard(): void {
    this.#heardAt = this.#around.now();
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => void this.#ask(), SILENCE_MAX_MS);
    this.#listener.state(this.state);
  }

  /** Asks if there was silence. A clock that was set back knows of none. */
  #probe(): void {
    const silence = this.#around.now() - (this.#heardAt ?? 0);
    if (silence < 0 || silence >= SILENCE_DOUBT_MS) void this.#ask();
  }

  /** Asks the cheapest question there is. A server that does not answer is not there. */
  async #ask(): Promise<void> {
    const socket = this.#socket;
    if (!socket) return;
    try {
      await this.request("hold_list", {}, PROBE_TIMEOUT_MS);
    } catch (error) {
      if (error instanceof Refusal || this.#socket !== socket) return;
      this.#drop("the server no longer answers");
      this.#again();
    }
  }

  #since(is: LinkStatus["is"]): number {
    return this.#status.is === is ? this.#status.since : this.#around.now();
  }

  #become(status: LinkStatus): void {
    this.#status = status;
    this.#listener.state(this.state);
    if (isUp(status)) this.#waiters.letIn();
    else if (status.is !== "reconnecting") this.#waiters.sendAway(inWords(status));
  }
}
