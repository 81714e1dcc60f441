/** What a machine's own policy sets, which no server can loosen. Pure. */
import type { RunnerFacts } from "../../generated/protocol";

export function limitFacts(facts: RunnerFacts | undefined): [string, string][] {
  if (!facts) return [];
  return [
    ["Works on at once", `${facts.concurrency}`],
    ["Projects may lie in", facts.roots.join(", ") || "nowhere"],
    ["Plain commands", facts.shell ? "allowed" : "not allowed"],
  ];
}
