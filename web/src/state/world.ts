/**
 * What is known of projects, machines, commands and approvals: folded from lists and facts.
 *
 * Pure. A fold copies only the maps it changes, once for a whole batch, so that a screen that
 * looks at one map is not drawn again for another.
 */
import type {
  Approval,
  ApprovalId,
  Command,
  CommandId,
  Device,
  DeviceId,
  DevicePresence,
  Fact,
  Handoff,
  Hold,
  HoldState,
  MessageKind,
  Project,
  ProjectId,
  RunnerState,
  StateRegister,
} from "../generated/protocol";
import type { TopicEvent } from "../link/wire";

/** The newest thing said in a project. */
export interface LastLine {
  readonly seq: number;
  readonly at: string;
  readonly kind: MessageKind;
  readonly text: string;
}

/** What no fact tells of what waits: asked for anew whenever some of it changes. */
export interface Queue {
  /** As the server listed them last, which is the order inside each project. */
  readonly order: readonly CommandId[];
  readonly holds: readonly Hold[];
}

export interface World {
  readonly projects: ReadonlyMap<ProjectId, Project>;
  readonly runners: ReadonlyMap<DeviceId, RunnerState>;
  readonly devices: ReadonlyMap<DeviceId, Device>;
  readonly presence: ReadonlyMap<DeviceId, DevicePresence>;
  readonly commands: ReadonlyMap<CommandId, Command>;
  readonly approvals: ReadonlyMap<ApprovalId, Approval>;
  readonly lastLines: ReadonlyMap<ProjectId, LastLine>;
  /** What the person's devices share: preferences, drafts, read markers, pins. */
  readonly registers: ReadonlyMap<string, StateRegister>;
  readonly handoff?: Handoff;
  readonly queue?: Queue;
  /** More waits than is in `commands`. */
  readonly moreWaits?: boolean;
}

export const EMPTY: World = {
  projects: new Map(),
  runners: new Map(),
  devices: new Map(),
  presence: new Map(),
  commands: new Map(),
  approvals: new Map(),
  lastLines: new Map(),
  registers: new Map(),
};

/** Commands that are over and approvals that were answered are kept up to this many each. */
const OVER_MAX = 500;
/** Characters of a last line: one line on a wide screen. */
const LINE_MAX = 240;

const OVER = new Set<Command["state"]>(["succeeded", "failed", "cancelled", "expired", "interrupted", "dead"]);

/** Ends that wait for a decision: a fresh connection is told of every one. */
const LISTED_WHOLE = new Set<Command["state"]>(["dead", "interrupted"]);

export function isOver(command: Command): boolean {
  return OVER.has(command.state);
}

export function fold(world: World, events: readonly TopicEvent[]): World {
  const draft = new Draft(world);
  for (const event of events) apply(draft, event);
  return draft.done();
}

/** The lists of a fresh connection. What is in `touched` was told about meanwhile: facts are newer. */
export interface Lists {
  readonly projects: readonly Project[];
  readonly runners: readonly RunnerState[];
  readonly devices: readonly Device[];
  readonly presence: readonly DevicePresence[];
  readonly commands: readonly Command[];
  /** More waits than was listed. */
  readonly moreWaits: boolean;
  readonly approvals: readonly Approval[];
}

export function replace(world: World, lists: Lists, touched: Touched): World {
  const current = <T>(name: MapName, old: ReadonlyMap<string, T>, rows: readonly T[], id: (row: T) => string) => {
    const fresh = new Map(rows.map((row) => [id(row), row]));
    for (const key of touched.get(name) ?? []) {
      const told = old.get(key);
      if (told === undefined) fresh.delete(key);
      else fresh.set(key, told);
    }
    return fresh;
  };
  // What is listed whole and no more in that list was put back, decided or purged.
  const over = [...world.commands.values()].filter((command) => isOver(command) && !LISTED_WHOLE.has(command.state)).map((command) => [command.id, command] as const);
  const commands = current("commands", world.commands, lists.commands, (row) => row.id);
  return {
    ...world,
    projects: current("projects", world.projects, lists.projects, (row) => row.id),
    runners: current("runners", world.runners, lists.runners, (row) => row.runner_id),
    devices: current("devices", world.devices, lists.devices, (row) => row.id),
    presence: current("presence", world.presence, lists.presence, (row) => row.device_id),
    commands: newest(new Map([...over, ...commands]), isOver, (command) => command.created_at),
    moreWaits: lists.moreWaits,
    approvals: current("approvals", world.approvals, lists.approvals, (row) => row.approval_id),
  };
}

export function withRegisters(world: World, registers: readonly StateRegister[]): World {
  const draft = new Draft(world);
  for (const register of registers) takeRegister(draft, register);
  return draft.done();
}

/**
 * Every register there is, instead of those known: what is missing was deleted. What came since the
 * list was asked for, when `asked` was known, is newer.
 */
export function replaceRegisters(world: World, listed: readonly StateRegister[], asked: World["registers"]): World {
  const draft = new Draft({ ...world, registers: new Map(listed.map((register) => [register.key, register])) });
  for (const register of world.registers.values()) if (asked.get(register.key) !== register) takeRegister(draft, register);
  return draft.done();
}

export function withHandoff(world: World, handoff: Handoff): World {
  const draft = new Draft(world);
  draft.setHandoff(handoff);
  return draft.done();
}

/** Without a last line of this number or later: the server does not know it. */
export function withoutLine(world: World, projectId: ProjectId, from: number): World {
  const line = world.lastLines.get(projectId);
  if (line === undefined || line.seq < from) return world;
  const draft = new Draft(world);
  draft.map("lastLines").delete(projectId);
  return draft.done();
}

export function withLastLine(world: World, projectId: ProjectId, line: LastLine): World {
  const draft = new Draft(world);
  takeLine(draft, projectId, line);
  return draft.done();
}

/** What was told while lists were on their way: ids, map by map. */
export type Touched = ReadonlyMap<MapName, ReadonlySet<string>>;

/** The place of what a fact is about: its map and its id there. */
export function subject({ type, data }: Fact): readonly [MapName, string] | undefined {
  if (type === "project_state" || type === "project_update") return ["projects", data.id];
  if (type === "project_deleted") return ["projects", data.project_id];
  if (type === "command_state") return ["commands", data.id];
  if (type === "command_gone") return ["commands", data.command_id];
  if (type === "device_state") return ["devices", data.id];
  if (type === "device_gone") return ["devices", data.device_id];
  if (type === "approval_state") return ["approvals", data.approval_id];
  if (type === "runner_state") return ["runners", data.runner_id];
  return type === "device_presence" ? ["presence", data.device_id] : undefined;
}

function apply(draft: Draft, { fact, project_id, seq, at }: TopicEvent): void {
  switch (fact.type) {
    case "project_state":
    case "project_update":
      return void draft.map("projects").set(fact.data.id, fact.data);
    case "project_deleted":
      return void draft.map("projects").delete(fact.data.project_id);
    case "runner_state":
      return void draft.map("runners").set(fact.data.runner_id, fact.data);
    case "device_presence":
      return void draft.map("presence").set(fact.data.device_id, fact.data);
    case "command_state":
      return void draft.map("commands").set(fact.data.id, fact.data);
    case "command_gone":
      return void draft.map("commands").delete(fact.data.command_id);
    case "device_state":
      return takeDevice(draft, fact.data);
    case "device_gone":
      for (const name of ["devices", "runners", "presence"] as const) draft.map(name).delete(fact.data.device_id);
      return;
    case "hold_state":
      return draft.setHold(fact.data);
    case "approval_state":
      return void draft.map("approvals").set(fact.data.approval_id, fact.data);
    case "state_changed":
      return takeRegister(draft, fact.data);
    case "handoff_state":
      return draft.setHandoff(fact.data);
    case "agent_message": {
      const { kind, text } = fact.data;
      if (project_id !== undefined && seq !== undefined && text) takeLine(draft, project_id, { seq, at, kind, text: oneLine(text) });
    }
  }
}

/** What lists have of a device and facts have not. */
const UNTOLD = ["about", "presence", "silent_ms", "skew", "last_address", "last_seen_at"] as const;

function takeDevice(draft: Draft, told: Device): void {
  const known = draft.world.devices.get(told.id);
  const untold = UNTOLD.flatMap((name) => (known?.[name] === undefined ? [] : [[name, known[name]]]));
  draft.map("devices").set(told.id, { ...Object.fromEntries(untold), ...told });
  const runner = draft.world.runners.get(told.id) ?? { runner_id: told.id, online: false };
  if (told.scopes.includes("runner")) draft.map("runners").set(told.id, { ...runner, name: told.name, labels: told.labels ?? [], priority: told.priority });
}

function takeRegister(draft: Draft, register: StateRegister): void {
  const known = draft.world.registers.get(register.key);
  if (known === undefined || known.version < register.version) draft.map("registers").set(register.key, register);
}

function takeLine(draft: Draft, projectId: ProjectId, line: LastLine): void {
  const known = draft.world.lastLines.get(projectId);
  if (known === undefined || known.seq < line.seq) draft.map("lastLines").set(projectId, line);
}

export function oneLine(text: string): string {
  return text.slice(0, LINE_MAX * 2).replace(/\s+/g, " ").trim().slice(0, LINE_MAX);
}

/** All that is not over, and the newest of what is. */
function newest<T>(rows: ReadonlyMap<string, T>, over: (row: T) => boolean, at: (row: T) => string): ReadonlyMap<string, T> {
  if (rows.size <= OVER_MAX) return rows;
  const ended = [...rows].filter(([, row]) => over(row)).sort(([, a], [, b]) => (at(a) < at(b) ? 1 : -1));
  const drop = new Set(ended.slice(OVER_MAX).map(([id]) => id));
  return drop.size === 0 ? rows : new Map([...rows].filter(([id]) => !drop.has(id)));
}

type Maps = Omit<World, "handoff" | "queue" | "moreWaits">;
export type MapName = keyof Maps;
type MapOf<K extends MapName> = Maps[K] extends ReadonlyMap<infer I, infer V> ? Map<I, V> : never;

/** A world being changed: each map is copied when it is first written to. */
class Draft {
  world: World;
  readonly #copied = new Set<string>();

  constructor(world: World) {
    this.world = world;
  }

  map<K extends MapName>(name: K): MapOf<K> {
    if (!this.#copied.has(name)) {
      this.#copied.add(name);
      this.world = { ...this.world, [name]: new Map(this.world[name] as ReadonlyMap<string, never>) };
    }
    return this.world[name] as unknown as MapOf<K>;
  }

  setHandoff(handoff: Handoff): void {
    if (handoff.version >= (this.world.handoff?.version ?? 0)) this.world = { ...this.world, handoff };
  }

  /** Until the holds were asked for, none is known. */
  setHold({ hold, ...scope }: HoldState): void {
    const { queue } = this.world;
    if (!queue) return;
    const others = queue.holds.filter((one) => one.command_id !== undefined || one.project_id !== scope.project_id || one.runner_id !== scope.runner_id);
    this.world = { ...this.world, queue: { ...queue, holds: hold ? [...others, hold] : others } };
  }

  done(): World {
    if (!this.#copied.has("commands") && !this.#copied.has("approvals")) return this.world;
    return {
      ...this.world,
      commands: newest(this.world.commands, isOver, (command) => command.created_at),
      approvals: newest(this.world.approvals, (approval) => approval.state !== "open", (approval) => approval.requested_at),
    };
  }
}
