/** The files that will go with the next prompt, on this device's disk as well. */
import type { LocalFile } from "../outbox/entry";
import { handedOver } from "../outbox/hand-over";
import { localFile } from "./file";
import { keepFiles, loadFiles } from "./kept";
import { refusalOf } from "./kinds";

export class Chosen {
  files = $state.raw<readonly LocalFile[]>([]);
  /** Files that are being read or made smaller. */
  reading = $state(0);
  /** Why something was not taken, in words. */
  refusals = $state.raw<readonly string[]>([]);
  /** They are in memory only: the disk is full. */
  unkept = $state(false);
  /** They are being sent: what is chosen meanwhile goes with the next prompt, and the limits are that one's. */
  #going: readonly LocalFile[] = [];
  readonly #place: string;
  readonly #loaded: Promise<void>;

  /** Begins with what is kept for the place (`kept.ts`). */
  constructor(place: string) {
    this.#place = place;
    this.#loaded = this.#load();
  }

  /**
   * Gives all of them to what sends them, those that are still being read from the disk too. Then
   * they are gone, and what was chosen meanwhile stays. **Errors**: as `give`; then all of them stay.
   */
  async send(give: (files: readonly LocalFile[]) => Promise<unknown>): Promise<void> {
    await this.#loaded;
    const files = (this.#going = this.files);
    this.refusals = [];
    try {
      await give(files);
      this.files = this.files.filter((file) => !files.includes(file));
    } finally {
      this.#going = [];
      this.#check(this.files);
    }
    void this.#keep();
  }

  /** Takes files from the picker, the camera, the clipboard, a drop or another app. */
  async add(picked: Iterable<File>): Promise<void> {
    const files = [...picked];
    this.reading += files.length;
    this.refusals = [];
    await this.#loaded;
    for (const file of files) {
      try {
        this.#take(await localFile(file));
      } catch (error) {
        this.refuse(`${file.name} can't be read: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        this.reading -= 1;
      }
    }
    await this.#keep();
  }

  remove(file: LocalFile): void {
    this.files = this.files.filter((one) => one !== file);
    this.refusals = [];
    void this.#keep();
  }

  /** Says why something was not taken. */
  refuse(words: string): void {
    if (!this.refusals.includes(words)) this.refusals = [...this.refusals, words];
  }

  /** Files are large: the page is drawn first. */
  async #load(): Promise<void> {
    // Asked before anything is sent from here, which waits for this.
    const earlier = handedOver(this.#place);
    await drawn();
    await earlier;
    this.files = await loadFiles(this.#place).catch(() => []);
  }

  #take(file: LocalFile): void {
    const together = this.files.filter((one) => !this.#going.includes(one));
    if (this.#check([...together, file])) this.files = [...this.files, file];
  }

  /** Whether these can go with one prompt; if not, it is said why. */
  #check(files: readonly LocalFile[]): boolean {
    const refusal = refusalOf(files.map(({ attachment }) => attachment));
    if (refusal !== undefined) this.refuse(refusal);
    return refusal === undefined;
  }

  async #keep(): Promise<void> {
    this.unkept = await keepFiles(this.#place, this.files).then(() => false, () => true);
  }
}

/** Resolves when the picture of this moment is on the screen; while nobody looks at the page, not yet. */
function drawn(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}
