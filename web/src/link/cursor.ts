/**
 * Where we stand in a topic: what is new, what is a repetition, what is missing.
 *
 * Pure; the same rules as `afield-client/src/link/cursor.rs`.
 */
import type { SubscribeReply } from "../generated/protocol";

/** Events that will not come, from `first` to `last`: load the state anew. */
export interface Missing {
  readonly first: number;
  readonly last: number;
}

export type Step = { readonly is: "skip" } | { readonly is: "take"; readonly missing?: Missing };

export class Cursor {
  #last: number | undefined;

  constructor(after?: number) {
    this.#last = after;
  }

  /** What to ask the server to go on after. */
  get after(): number | undefined {
    return this.#last;
  }

  /** The server's answer. One that knows fewer events than we saw was restored: go on from its last. */
  subscribed({ seq, verdict }: SubscribeReply): Missing | undefined {
    this.#last ??= seq;
    if (verdict === "ok" || this.#last <= seq) return undefined;
    const missing = { first: seq + 1, last: this.#last };
    this.#last = seq;
    return missing;
  }

  /** The server says that these can't be read: what comes next follows on the last of them. */
  lost(first: number, last: number): Missing | undefined {
    const before = this.#last ?? first - 1;
    if (last <= before) return undefined;
    this.#last = last;
    return { first: before + 1, last };
  }

  /** Numbers of a topic have no holes, so a hole is a loss. Without a number: take it, it is fleeting. */
  event(seq: number | undefined): Step {
    if (seq === undefined) return { is: "take" };
    const before = this.#last ?? seq - 1;
    if (seq <= before) return { is: "skip" };
    this.#last = seq;
    return seq === before + 1 ? { is: "take" } : { is: "take", missing: { first: before + 1, last: seq - 1 } };
  }
}
