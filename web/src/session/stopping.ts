/** What each way of stopping would end, and what it ended. Pure. */
import type { Command, KilledProcess, Project, ProjectId } from "../generated/protocol";
import type { World } from "../state/world";
import { count } from "../text/count";

export interface Running {
  /** What the agent works on. */
  readonly now: Command | undefined;
  /** How many commands of the project wait behind it. */
  readonly behind: number;
}

export function runningIn({ commands }: World, projectId: ProjectId): Running {
  const its = [...commands.values()].filter((command) => command.project_id === projectId);
  return { now: its.find((command) => command.state === "running"), behind: its.filter((command) => command.state === "queued" || command.state === "leased").length };
}

/** The projects in which something works, the newest first. */
export function workingIn({ projects }: World): Project[] {
  return [...projects.values()].filter((project) => project.state === "EXECUTING").sort((a, b) => (a.last_active < b.last_active ? 1 : -1));
}

export function behindWords(behind: number): string {
  return behind === 0 ? "Nothing waits behind it." : `${count(behind, "command")} behind it ${behind === 1 ? "starts" : "start"} next.`;
}

export interface Stopped {
  /** Where. */
  readonly name: string;
  readonly killed: readonly KilledProcess[];
  /** It could not be stopped, or nobody knows whether it was. */
  readonly error?: unknown;
}

export function stoppedWords({ killed }: Stopped): string {
  return killed.length === 0 ? "It had ended by itself: nothing had to be killed." : `${count(killed.length, "process", "processes")} killed.`;
}
