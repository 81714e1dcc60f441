/** What is being typed, kept on this device at each key: a reload loses none of it. */
import * as disk from "../disk/disk";
import type { ProjectId } from "../generated/protocol";

const key = (id: ProjectId) => `draft:${id}`;

export async function loadDraft(id: ProjectId): Promise<string> {
  return (await disk.get<string>("settings", key(id))) ?? "";
}

export function keepDraft(id: ProjectId, text: string): Promise<void> {
  return text === "" ? disk.remove("settings", key(id)) : disk.put("settings", key(id), text);
}
