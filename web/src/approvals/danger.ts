/** How dangerous what is asked is, as the server says; what it did not judge takes the effort of what destroys. Pure. */
import type { Approval, Danger } from "../generated/protocol";

const NOT_JUDGED: Danger = { level: "destructive", reasons: ["nobody judged what this does"] };

export function dangerOf({ danger }: Pick<Approval, "danger">): Danger {
  return danger ?? NOT_JUDGED;
}
