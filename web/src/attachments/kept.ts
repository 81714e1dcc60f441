/** Files that were chosen and not sent, kept on this device's disk: a reload loses none of them. */
import * as disk from "../disk/disk";
import type { ProjectId } from "../generated/protocol";
import type { LocalFile } from "../outbox/entry";

/** Where they were chosen, named as the draft there: a project's id, or this for the New screen. */
export const NEW_SCREEN = "new";

export async function loadFiles(place: string): Promise<readonly LocalFile[]> {
  return (await disk.get<readonly LocalFile[]>("files", place)) ?? [];
}

/** **Errors**: storage that is full; what was kept before stays. */
export function keepFiles(place: string, files: readonly LocalFile[]): Promise<void> {
  return files.length === 0 ? disk.remove("files", place) : disk.put("files", place, files);
}

/** Removes what was kept for projects that are gone. */
export async function forgetFilesExcept(projects: Iterable<ProjectId>): Promise<void> {
  const places = new Set<string>([NEW_SCREEN, ...projects]);
  const gone = (await disk.keys("files")).filter((place) => !places.has(place));
  for (const place of gone) await disk.remove("files", place);
}
