/** Projects a person pinned, the same on all their devices: registers `pin:<project>` (docs/PROTOCOL.md, Shared state). Pure. */
import type { Project, ProjectId, StateRegister } from "../generated/protocol";
import type { Ask } from "../link/wire";

const KEY = "pin:";
type Registers = ReadonlyMap<string, StateRegister>;

export function isPinned(id: ProjectId, registers: Registers): boolean {
  return registers.get(KEY + id)?.value === true;
}

/** Pins, or takes the pin away; a write that another device made meanwhile is not undone unseen. */
export function pinAsk(id: ProjectId, pinned: boolean, registers: Registers): Ask<"state_set"> {
  const key = KEY + id;
  const base_version = registers.get(key)?.version ?? 0;
  return pinned ? { key, base_version, value: true } : { key, base_version };
}

/** The pinned ones first, each part the latest first. */
export function pinnedFirst(projects: Iterable<Project>, registers: Registers): Project[] {
  const rank = (project: Project) => Number(isPinned(project.id, registers));
  return [...projects].sort((a, b) => rank(b) - rank(a) || (a.last_active < b.last_active ? 1 : -1));
}
