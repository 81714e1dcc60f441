/** What a fresh connection asks for, beside what its topics tell. */
import type { Command, CommandState, Handoff, Project, ProjectId, StateRegister } from "../generated/protocol";
import type { Link } from "../link/link";
import type { Lists } from "./world";

/** As many as the server lists at once. */
const COMMANDS_LISTED = 1000;

/** Where the org's and the person's facts are told. */
export interface Topics {
  readonly org: string;
  readonly person: string;
}

/** What the person's devices share: every register that exists, and the focus. */
export interface Shared {
  readonly registers: readonly StateRegister[];
  readonly handoff: Handoff;
}

/** After the last of all versions there is no register: only the topic is asked for. */
const NO_REGISTERS = Number.MAX_SAFE_INTEGER;

export async function askTopics(link: Link): Promise<Topics> {
  const [presence, state] = await Promise.all([link.request("device_presence"), link.request("state_get", { after: NO_REGISTERS })]);
  return { org: presence.topic, person: state.topic };
}

/** Asked once the person's topic is followed: what changes from then on is told. */
export async function askShared(link: Link): Promise<Shared> {
  const [registers, handoff] = await Promise.all([allRegisters(link), link.request("handoff_get")]);
  return { registers, handoff };
}

async function allRegisters(link: Link): Promise<StateRegister[]> {
  const first = await link.request("state_get");
  const registers = [...first.registers];
  for (let page = first; page.more; ) {
    page = await link.request("state_get", { after: registers.at(-1)?.version ?? 0 });
    registers.push(...page.registers);
  }
  return registers;
}

export async function askLists(link: Link): Promise<Lists> {
  const [projects, runners, devices, presence, waiting, dead, interrupted, approvals] = await Promise.all([
    link.request("project_list"),
    link.request("runner_list"),
    link.request("device_list"),
    link.request("device_presence"),
    link.request("command_list", { waiting: true, limit: COMMANDS_LISTED }),
    everyOne(link, "dead"),
    everyOne(link, "interrupted"),
    link.request("approval_list"),
  ]);
  const failed = await Promise.all(projects.projects.filter(({ state }) => state === "ERROR").map(({ id }) => lastFailed(link, id)));
  return {
    projects: projects.projects,
    runners: runners.runners,
    devices: devices.devices,
    presence: presence.devices,
    commands: [...waiting.commands, ...dead, ...interrupted, ...failed.flat()],
    moreWaits: waiting.commands.length === COMMANDS_LISTED,
    approvals: approvals.approvals,
  };
}

async function everyOne(link: Link, state: CommandState): Promise<Command[]> {
  const all: Command[] = [];
  for (let page = COMMANDS_LISTED; page === COMMANDS_LISTED; ) {
    const before = all.at(-1)?.id;
    const { commands } = await link.request("command_list", { state, limit: COMMANDS_LISTED, ...(before && { before_id: before }) });
    page = commands.length;
    all.push(...commands);
  }
  return all;
}

async function lastFailed(link: Link, project_id: ProjectId): Promise<Command[]> {
  return (await link.request("command_list", { project_id, state: "failed", limit: 1 })).commands;
}

/** The projects somebody is likely to look at first. */
export function latest(projects: Iterable<Project>, count: number): Project[] {
  return [...projects].sort((a, b) => (a.last_active < b.last_active ? 1 : -1)).slice(0, count);
}
