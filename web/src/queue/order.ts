/** What waits and runs, machine by machine and project by project, in the order it will run. Pure. */
import type { Command, CommandId, DeviceId, Place, ProjectId } from "../generated/protocol";
import { isOver } from "../state/world";

export interface ProjectQueue {
  readonly projectId: ProjectId;
  readonly commands: readonly Command[];
}

export interface MachineQueue {
  readonly runnerId: DeviceId;
  readonly projects: readonly ProjectQueue[];
}

/**
 * `order`: ids as the server listed them, which is the order inside a project. What it did not
 * list yet is behind the rest, the oldest first.
 */
export function queues(commands: Iterable<Command>, order: readonly CommandId[]): MachineQueue[] {
  const place = new Map(order.map((id, index) => [id, index]));
  const waiting = [...commands].filter((command) => !isOver(command)).sort((a, b) => compare(a, b, place));
  return groups(waiting, (command) => command.runner_id).map(([runnerId, its]) => ({
    runnerId,
    projects: groups(its, (command) => command.project_id).map(([projectId, commands]) => ({ projectId, commands })),
  }));
}

/** What was begun stands first. */
function compare(a: Command, b: Command, place: ReadonlyMap<CommandId, number>): number {
  const begun = Number(a.state === "queued") - Number(b.state === "queued");
  const listed = (place.get(a.id) ?? Infinity) - (place.get(b.id) ?? Infinity);
  return begun || (Number.isNaN(listed) ? 0 : listed) || (a.created_at < b.created_at ? -1 : 1);
}

function groups<T>(rows: readonly T[], key: (row: T) => string): [string, T[]][] {
  const found = new Map<string, T[]>();
  for (const row of rows) found.set(key(row), [...(found.get(key(row)) ?? []), row]);
  return [...found];
}

/** The ids of what can be moved: only what waits has a place. */
export function movable(commands: readonly Command[]): CommandId[] {
  return commands.filter((command) => command.state === "queued" && command.kind !== "kill").map((command) => command.id);
}

/** Where the one at `from` is to be put to stand at `to`; nothing when it stands there already. */
export function placeFor(ids: readonly CommandId[], from: number, to: number): Place | undefined {
  const target = Math.max(0, Math.min(to, ids.length - 1));
  const beside = ids[target];
  if (beside === undefined || target === from) return undefined;
  return target < from ? { before: beside } : { after: beside };
}

/** The order with one moved, as it is shown until the server has listed it. */
export function moved(ids: readonly CommandId[], id: CommandId, place: Place): CommandId[] {
  const others = ids.filter((other) => other !== id);
  const at = indexOf(others, place);
  return [...others.slice(0, at), id, ...others.slice(at)];
}

function indexOf(ids: readonly CommandId[], place: Place): number {
  if (place === "first") return 0;
  if (place === "last") return ids.length;
  return "before" in place ? ids.indexOf(place.before) : ids.indexOf(place.after) + 1;
}

/** The row a dragged one is over: `middles` are the middles of all rows, from above. */
export function rowAt(middles: readonly number[], from: number, y: number): number {
  const above = middles.filter((middle, index) => index !== from && middle < y).length;
  return Math.min(above, Math.max(0, middles.length - 1));
}
