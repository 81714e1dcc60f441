/** What is being typed, kept on this device at each key: a reload loses none of it. */
import * as disk from "../disk/disk";
import type { ProjectId } from "../generated/protocol";
import { type Draft, EMPTY_DRAFT } from "./drafts";

const key = (id: ProjectId) => `draft-of:${id}`;

export async function loadDraft(id: ProjectId): Promise<Draft> {
  return (await disk.get<Draft>("settings", key(id))) ?? EMPTY_DRAFT;
}

export function keepDraft(id: ProjectId, draft: Draft): Promise<void> {
  return disk.put("settings", key(id), draft);
}
