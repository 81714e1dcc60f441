/** Bytes that were attached, kept for a while: a stream that is scrolled shows the same pictures again. */

/** The latest so many; pictures from a phone have about half a megabyte each. */
const KEPT_MAX = 20;

export class Blobs {
  readonly #load: (hash: string) => Promise<ArrayBuffer>;
  readonly #kept = new Map<string, Promise<ArrayBuffer>>();

  constructor(load: (hash: string) => Promise<ArrayBuffer>) {
    this.#load = load;
  }

  /** **Errors**: those of loading, which is tried again by the next one who asks. */
  get(hash: string): Promise<ArrayBuffer> {
    const kept = this.#kept.get(hash) ?? this.#load(hash);
    // Last in the map: asked for last, kept longest.
    this.#kept.delete(hash);
    this.#kept.set(hash, kept);
    kept.catch(() => this.#kept.delete(hash));
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
    return kept;
  }
}
