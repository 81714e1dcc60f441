/** Which approvals stay on the screen after their answer. Pure. */
import type { Approval, ApprovalId } from "../generated/protocol";

/** At most so many, the newest answer first. */
const LINGERING_MAX = 5;

/** Those of `seen` that are not open any more. */
export function justAnswered(approvals: ReadonlyMap<ApprovalId, Approval>, seen: ReadonlySet<ApprovalId>): Approval[] {
  const over = [...approvals.values()].filter((approval) => approval.state !== "open" && seen.has(approval.approval_id));
  return over.sort((a, b) => ((a.resolved_at ?? "") < (b.resolved_at ?? "") ? 1 : -1)).slice(0, LINGERING_MAX);
}
