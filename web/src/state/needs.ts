/** What waits for the person: open approvals and questions, and work that ended badly. Oldest first. Pure. */
import type { Approval, Command } from "../generated/protocol";
import type { World } from "./world";

export type Need =
  | { readonly is: "approval"; readonly key: string; readonly since: string; readonly approval: Approval }
  | { readonly is: "ended"; readonly key: string; readonly since: string; readonly command: Command };

/** Ends that somebody has to decide about: used up its retries, or nobody saw how it ended. */
const UNDECIDED = new Set<Command["state"]>(["dead", "interrupted"]);

export function needsMe({ approvals, commands }: World): Need[] {
  const open = [...approvals.values()].filter((approval) => approval.state === "open");
  const ended = [...commands.values()].filter((command) => UNDECIDED.has(command.state));
  const needs: Need[] = [
    ...open.map((approval) => ({ is: "approval" as const, key: approval.approval_id, since: approval.requested_at, approval })),
    ...ended.map((command) => ({ is: "ended" as const, key: command.id, since: command.finished_at ?? command.created_at, command })),
  ];
  return needs.sort((a, b) => (a.since < b.since ? -1 : 1));
}
