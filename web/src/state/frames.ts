/** Gathers events and hands them on once for each picture the screen draws. */
import type { TopicEvent } from "../link/wire";

/** Handed on at once when so many wait: a hidden page must not gather without bound. */
const WAITING_MAX = 20_000;
/** Handed on together, at most: what takes longer than a picture is split. */
const BATCH_MAX = 500;
/** A hidden page draws no pictures. */
const HIDDEN_WAIT_MS = 250;

export class Frames {
  readonly #take: (events: TopicEvent[]) => void;
  #waiting: TopicEvent[] = [];
  #planned = false;

  constructor(take: (events: TopicEvent[]) => void) {
    this.#take = take;
  }

  add(event: TopicEvent): void {
    this.#waiting.push(event);
    if (this.#waiting.length >= WAITING_MAX) this.flush();
    else this.#plan();
  }

  /** Hands on everything that waits. */
  flush(): void {
    while (this.#waiting.length > 0) this.#batch();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    const run = () => {
      this.#planned = false;
      this.#batch();
      if (this.#waiting.length > 0) this.#plan();
    };
    if (document.visibilityState === "hidden") setTimeout(run, HIDDEN_WAIT_MS);
    else requestAnimationFrame(run);
  }

  #batch(): void {
    const batch = this.#waiting.slice(0, BATCH_MAX);
    this.#waiting = this.#waiting.slice(BATCH_MAX);
    if (batch.length > 0) this.#take(batch);
  }
}
