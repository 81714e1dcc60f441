/** Requests that wait for their one reply, each with a time limit and all with a bound. */
import type { ErrorBody } from "../generated/protocol";
import { Refusal } from "../identity/failure";

/** Requests that may wait at once; a page that asks for more has a fault. */
const WAITING_MAX = 256;

/** The link went before the reply came. Whether the server did it is not known. */
export class LinkLost extends Error {
  constructor(why: string) {
    super(why);
    this.name = "LinkLost";
  }
}

/** There was no connection: nothing was sent. */
export class NotConnected extends Error {
  constructor(why: string) {
    super(why);
    this.name = "NotConnected";
  }
}

interface Waiting {
  resolve(data: unknown): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

export class Calls {
  readonly #waiting = new Map<string, Waiting>();
  #next = 1;

  /** Registers a request and gives it its id. **Errors**: `LinkLost`, `Refusal`. */
  begin(timeoutMs: number): { id: string; reply: Promise<unknown> } {
    if (this.#waiting.size >= WAITING_MAX) {
      const message = `${WAITING_MAX} requests wait for their answers (limit of this page); try again in a moment`;
      throw new Refusal({ code: "RESOURCE_LIMIT", message });
    }
    const id = `w${this.#next++}`;
    const reply = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => this.#take(id)?.reject(new LinkLost(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
    });
    return { id, reply };
  }

  answered(id: string, data: unknown): void {
    this.#take(id)?.resolve(data);
  }

  refused(id: string, error: ErrorBody): void {
    this.#take(id)?.reject(new Refusal(error));
  }

  allLost(why: string): void {
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(new LinkLost(why));
  }

  #take(id: string): Waiting | undefined {
    const found = this.#waiting.get(id);
    if (found) clearTimeout(found.timer);
    this.#waiting.delete(id);
    return found;
  }
}
