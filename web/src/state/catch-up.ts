/** What a fresh connection asks for, beside what its topics tell. */
import type { DevicePresence, Handoff, Project, StateRegister } from "../generated/protocol";
import type { Link } from "../link/link";
import type { Lists } from "./world";

/** Commands listed of each state; those that are over and older are met in history. */
const COMMANDS_LISTED = 200;
/** Failures are looked at while they are fresh. */
const FAILED_LISTED = 30;

/** Where the org's and the person's facts are told. */
export interface Topics {
  readonly org: string;
  readonly person: string;
  readonly presence: readonly DevicePresence[];
  readonly registers: readonly StateRegister[];
  readonly handoff: Handoff;
}

export async function askTopics(link: Link): Promise<Topics> {
  const [presence, state, handoff] = await Promise.all([link.request("device_presence"), link.request("state_get"), link.request("handoff_get")]);
  return { org: presence.topic, person: state.topic, presence: presence.devices, registers: await allRegisters(link, state), handoff };
}

async function allRegisters(link: Link, first: { registers: StateRegister[]; more: boolean }): Promise<StateRegister[]> {
  const registers = [...first.registers];
  for (let page = first; page.more; ) {
    page = await link.request("state_get", { after: registers.at(-1)?.version ?? 0 });
    registers.push(...page.registers);
  }
  return registers;
}

export async function askLists(link: Link): Promise<Lists> {
  const [projects, runners, devices, presence, waiting, dead, interrupted, failed, approvals] = await Promise.all([
    link.request("project_list"),
    link.request("runner_list"),
    link.request("device_list"),
    link.request("device_presence"),
    link.request("command_list", { waiting: true, limit: COMMANDS_LISTED }),
    link.request("command_list", { state: "dead", limit: COMMANDS_LISTED }),
    link.request("command_list", { state: "interrupted", limit: COMMANDS_LISTED }),
    link.request("command_list", { state: "failed", limit: FAILED_LISTED }),
    link.request("approval_list"),
  ]);
  return {
    projects: projects.projects,
    runners: runners.runners,
    devices: devices.devices,
    presence: presence.devices,
    commands: [...waiting.commands, ...dead.commands, ...interrupted.commands, ...failed.commands],
    failedSince: failed.commands.length < FAILED_LISTED ? "" : (failed.commands.at(-1)?.created_at ?? ""),
    approvals: approvals.approvals,
  };
}

/** The projects somebody is likely to look at first. */
export function latest(projects: Iterable<Project>, count: number): Project[] {
  return [...projects].sort((a, b) => (a.last_active < b.last_active ? 1 : -1)).slice(0, count);
}
