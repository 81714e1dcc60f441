/** How projects are called and how their state is told. Pure. */
import type { Project, ProjectId, RunnerState } from "../generated/protocol";
import type { World } from "../state/world";
import { visible } from "../text/visible";

export function nameOf({ settings, path }: Project): string {
  return visible(settings.name ?? path.split(/[\\/]/).findLast((part) => part !== "") ?? path);
}

export interface StateWords {
  readonly tone: "calm" | "good" | "warn" | "bad" | "busy";
  readonly text: string;
}

const STATES = { IDLE: "idle", EXECUTING: "working", ERROR: "in error" } as const;

/** What is open in projects, beside what they do. */
export interface Open {
  /** Their agent asks, and nobody answered. */
  readonly asking: ReadonlySet<ProjectId>;
  /** Something was sent to them that has not begun. */
  readonly waiting: ReadonlySet<ProjectId>;
}

export function openIn({ approvals, commands }: Pick<World, "approvals" | "commands">): Open {
  const asking = [...approvals.values()].filter(({ state }) => state === "open");
  const waiting = [...commands.values()].filter(({ state }) => state === "queued" || state === "leased");
  return { asking: new Set(asking.map(({ project_id }) => project_id)), waiting: new Set(waiting.map(({ project_id }) => project_id)) };
}

/**
 * What a project does, as far as its machine was heard. `live`: there is a connection; without it
 * nothing is known of the present, only of the past.
 */
export function stateWords(project: Project, runner: RunnerState | undefined, live: boolean, { asking, waiting }: Open): StateWords {
  if (!live) return { tone: "calm", text: `was ${STATES[project.state]}` };
  const away = runner !== undefined && !runner.online;
  if (project.state === "ERROR") return { tone: "bad", text: "error" };
  if (asking.has(project.id)) return { tone: "warn", text: "asks" };
  if (project.state === "EXECUTING") return away ? { tone: "warn", text: "working when last heard" } : { tone: "busy", text: "working" };
  if (away) return { tone: "calm", text: "machine away" };
  return waiting.has(project.id) ? { tone: "calm", text: "waiting" } : { tone: "good", text: "idle" };
}
