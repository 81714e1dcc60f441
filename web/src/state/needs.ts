/**
 * What waits for the person: open approvals and questions, and work that ended badly. Oldest first. Pure.
 *
 * A failure waits until somebody put it away, or the same project went on to something else.
 */
import type { Approval, Command, ProjectId } from "../generated/protocol";
import { isOver, type World } from "./world";

export type Need =
  | { readonly is: "approval"; readonly key: string; readonly since: string; readonly approval: Approval }
  | { readonly is: "ended"; readonly key: string; readonly since: string; readonly command: Command };

/** Ends that somebody has to decide about: used up its retries, or nobody saw how it ended. */
const UNDECIDED = new Set<Command["state"]>(["dead", "interrupted"]);

export function needsMe(world: World): Need[] {
  const open = [...world.approvals.values()].filter((approval) => approval.state === "open");
  const ended = [...world.commands.values()].filter((command) => UNDECIDED.has(command.state));
  const needs: Need[] = [
    ...open.map((approval) => ({ is: "approval" as const, key: approval.approval_id, since: approval.requested_at, approval })),
    ...[...ended, ...failures(world)].map((command) => ({ is: "ended" as const, key: command.id, since: endOf(command), command })),
  ];
  return needs.sort((a, b) => (a.since < b.since ? -1 : 1));
}

/** The register that holds until when the failures of a project were put away. */
export function failuresSeenKey(projectId: ProjectId): string {
  return `pref:failures-seen-${projectId}`;
}

/** What each project ended with, where that failed and nobody put it away. Whether it went on since the project itself says. */
function failures({ projects, commands, registers }: World): Command[] {
  const latest = new Map<ProjectId, Command>();
  for (const command of commands.values()) {
    const known = latest.get(command.project_id);
    if (isOver(command) && (known === undefined || endOf(known) < endOf(command))) latest.set(command.project_id, command);
  }
  return [...latest.values()].filter((command) => {
    const seen = registers.get(failuresSeenKey(command.project_id))?.value;
    const isLast = projects.get(command.project_id)?.state === "ERROR";
    return isLast && command.state === "failed" && !(typeof seen === "string" && endOf(command) <= seen);
  });
}

export function endOf(command: Command): string {
  return command.finished_at ?? command.created_at;
}
