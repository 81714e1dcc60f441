/** "Any machine that can": a wish in words, the selector it becomes, and who fits now. Pure. */
import type { Project, RunnerState } from "../generated/protocol";

export interface Wish {
  os: string;
  agent: string;
  /** At least so many; 0 for any. */
  cores: number;
  memoryGib: number;
  /** Its project at this path; empty for any. */
  path: string;
}

export const ANY: Wish = { os: "", agent: "", cores: 0, memoryGib: 0, path: "" };

const GIB = 1024 ** 3;

/** The server wants at least one comparison: every machine has a core. */
export function selectorOf({ os, agent, cores, memoryGib }: Wish): string {
  const terms = [
    ...(os === "" ? [] : [`os = ${quoted(os)}`]),
    ...(agent === "" ? [] : [`agents has ${quoted(agent)}`]),
    ...(cores > 0 ? [`cores >= ${Math.floor(cores)}`] : []),
    ...(memoryGib > 0 ? [`memory_bytes >= ${Math.floor(memoryGib * GIB)}`] : []),
  ];
  return terms.length === 0 ? "cores >= 1" : terms.join(" and ");
}

/** A text that could end its own quotes is no name of a system or an agent. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "")}"`;
}

/** The projects that fit, as far as this device knows; the server decides. */
export function fitting(wish: Wish, projects: Iterable<Project>, runners: ReadonlyMap<string, RunnerState>): Project[] {
  return [...projects].filter((project) => {
    const facts = runners.get(project.runner_id)?.facts;
    if (!facts || (wish.path !== "" && project.path !== wish.path)) return false;
    const hasAgent = wish.agent === "" || facts.agents.some((one) => one.available && one.agent === wish.agent);
    return hasAgent && (wish.os === "" || facts.os === wish.os) && facts.cores >= wish.cores && facts.memory_bytes >= wish.memoryGib * GIB;
  });
}
