/** The files that will go with the next prompt. */
import type { LocalFile } from "../outbox/entry";
import { localFile } from "./file";
import { refusalOf } from "./kinds";

export class Chosen {
  files = $state.raw<readonly LocalFile[]>([]);
  /** Files that are being read or made smaller. */
  reading = $state(0);
  /** Why something was not taken, in words. */
  refusal = $state<string>();

  /** Takes files from the picker, the camera, the clipboard or a drop. */
  async add(picked: Iterable<File>): Promise<void> {
    this.refusal = undefined;
    for (const file of picked) {
      this.reading += 1;
      try {
        this.#take(await localFile(file));
      } catch (error) {
        this.refusal = `${file.name} can't be read: ${error instanceof Error ? error.message : String(error)}`;
      } finally {
        this.reading -= 1;
      }
    }
  }

  remove(file: LocalFile): void {
    this.files = this.files.filter((one) => one !== file);
    this.refusal = undefined;
  }

  clear(): void {
    this.files = [];
    this.refusal = undefined;
  }

  #take(file: LocalFile): void {
    const all = [...this.files, file];
    this.refusal = refusalOf(all.map(({ attachment }) => attachment));
    if (this.refusal === undefined) this.files = all;
  }
}
