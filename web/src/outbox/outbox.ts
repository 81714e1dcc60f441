/**
 * Keeps what a person sends until the server has it on its disk.
 *
 * Written to the browser's disk before the first try; sent in order, by one tab at a time (Web
 * Locks); removed only after the acknowledgement. Other tabs are told of changes.
 */
import * as disk from "../disk/disk";
import type { Command } from "../generated/protocol";
import { Refusal } from "../identity/failure";
import type { Ask } from "../link/wire";
import { type DraftSent, due, type Entry, inOrder, isPassing, type LocalFile } from "./entry";

const LOCK = "afield-outbox";
const CHANNEL = "afield-outbox";
/** Entries that may wait: more than a person types in a week away. */
const ENTRIES_MAX = 500;
/** The pause after a refusal that time may heal. */
const PAUSE_MS = 5_000;
/** The same where files are sent with it again. */
const PAUSE_FILES_MS = 60_000;

export interface Sender {
  isUp(): boolean;
  submit(ask: Ask<"command_submit">): Promise<Command>;
  /** Hands a file over; harmless when the server has it. */
  upload(entry: Entry, file: LocalFile): Promise<unknown>;
  /** Takes the draft away on all devices; harmless when it is gone. */
  forget(draft: DraftSent): Promise<unknown>;
}

export class Outbox {
  readonly #sender: Sender;
  readonly #changed: (entries: Entry[]) => void;
  readonly #channel = new BroadcastChannel(CHANNEL);
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(sender: Sender, changed: (entries: Entry[]) => void) {
    this.#sender = sender;
    this.#changed = changed;
    this.#channel.onmessage = () => void this.refresh();
  }

  /** Resolves when it is on this device's disk; sending goes on by itself. **Errors**: storage that fails. */
  async put(ask: Ask<"command_submit">, files: readonly LocalFile[] = [], draft?: DraftSent): Promise<Entry> {
    const waiting = await disk.all<Entry>("outbox");
    if (waiting.length >= ENTRIES_MAX) {
      const message = `${ENTRIES_MAX} messages wait to be sent already (limit of this app); connect, or discard some`;
      throw new Refusal({ code: "RESOURCE_LIMIT", message });
    }
    const key = crypto.randomUUID();
    // Behind everything that waits, also within one millisecond and after a clock was set back.
    const madeAt = Math.max(Date.now(), ...waiting.map((entry) => entry.madeAt + 1));
    const submitted = { ...ask, key, submitted_at: new Date(madeAt).toISOString() };
    const entry: Entry = { key, madeAt, projectId: ask.target?.project_id, ask: submitted, ...(files.length > 0 && { files }), ...(draft && { draft }) };
    await disk.put("outbox", key, entry);
    await this.#tell();
    void this.deliver();
    return entry;
  }

  /** Sends what waits. Safe to call at any time, from any tab. */
  async deliver(): Promise<void> {
    clearTimeout(this.#again);
    if (!this.#sender.isUp()) return;
    await navigator.locks.request(LOCK, async () => {
      for (const entry of due(await disk.all<Entry>("outbox"))) {
        if (!(await this.#send(entry))) return;
      }
    });
  }

  /** Tries a refused one again, as the same command. */
  async retry({ refused: _, ...entry }: Entry): Promise<void> {
    await disk.put("outbox", entry.key, entry);
    await this.#tell();
    void this.deliver();
  }

  async discard(entry: Entry): Promise<void> {
    await disk.remove("outbox", entry.key);
    await this.#tell();
  }

  async refresh(): Promise<void> {
    this.#changed(inOrder(await disk.all<Entry>("outbox")));
  }

  close(): void {
    clearTimeout(this.#again);
    this.#channel.close();
  }

  /** Whether to go on with the next: order is kept, so a failed one holds up the rest. */
  async #send(entry: Entry): Promise<boolean> {
    try {
      for (const file of entry.files ?? []) await this.#sender.upload(entry, file);
      await this.#sender.submit(entry.ask);
      if (entry.draft) await this.#forget(entry.draft);
      await disk.remove("outbox", entry.key);
    } catch (error) {
      // A lost link comes back and delivers; an upload that broke off has no link to wait for, nor has a question
      // that nobody answered in time.
      if (!(error instanceof Refusal) || isPassing(error.code)) {
        this.#again = setTimeout(() => void this.deliver(), entry.files ? PAUSE_FILES_MS : PAUSE_MS);
        return false;
      }
      await disk.put("outbox", entry.key, { ...entry, refused: error.body });
    }
    await this.#tell();
    return true;
  }

  /** A draft that can't be taken away is no reason to keep what was sent. */
  async #forget(draft: DraftSent): Promise<void> {
    await this.#sender.forget(draft).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
    });
  }

  async #tell(): Promise<void> {
    this.#channel.postMessage("changed");
    await this.refresh();
  }
}
