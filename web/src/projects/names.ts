/** How projects are called and how their state is told. Pure. */
import type { Project, RunnerState } from "../generated/protocol";
import { visible } from "../text/visible";

export function nameOf({ settings, path }: Project): string {
  return visible(settings.name ?? path.split(/[\\/]/).findLast((part) => part !== "") ?? path);
}

export interface StateWords {
  readonly tone: "calm" | "good" | "warn" | "bad" | "busy";
  readonly text: string;
}

const STATES = { IDLE: "idle", EXECUTING: "working", ERROR: "in error" } as const;

/**
 * What a project does, as far as its machine was heard. `live`: there is a connection; without it
 * nothing is known of the present, only of the past.
 */
export function stateWords(project: Project, runner: RunnerState | undefined, live: boolean): StateWords {
  if (!live) return { tone: "calm", text: `was ${STATES[project.state]}` };
  const away = runner !== undefined && !runner.online;
  if (project.state === "ERROR") return { tone: "bad", text: "error" };
  if (project.state === "EXECUTING") return away ? { tone: "warn", text: "working when last heard" } : { tone: "busy", text: "working" };
  return away ? { tone: "calm", text: "machine away" } : { tone: "good", text: "idle" };
}
