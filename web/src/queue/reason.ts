/** Why a command waits, with the names of things, and what to do about it. Pure. */
import type { CommandState, Waiting, WaitReason } from "../generated/protocol";
import { titleOf } from "./words";
import type { World } from "../state/world";
import { moment } from "../text/times";
import { visible } from "../text/visible";

export interface Reason {
  readonly text: string;
  readonly next: string;
  readonly until?: string;
  /** The command it waits for. */
  readonly command?: string;
}

const NEXT: Record<WaitReason, string> = {
  time: "It starts by itself then. Edit it to start it earlier.",
  hold: "Release it to let it start.",
  order: "It starts when that one is over.",
  slot: "It starts by itself when there is room.",
  runner: "It starts by itself when that machine is back.",
  limit: "It starts by itself when the limit ends.",
  approval: "Answer what the agent asks under Needs me.",
  start: "It starts in a moment.",
};

/** What waits for a machine, and for none of those that are there. */
const FITS_NOBODY = "It starts by itself when a machine fits.";
/** What was given to a machine that went away. */
const BEGUN = "That machine says what became of it when it is back.";

/** The server's words hold ids and points in time of no place; people know names and their own clock. */
export function said(waiting: Waiting, state: CommandState, world: World, now: number): Reason {
  const named = waiting.message.replace(ID, (id) => nameOf(id, world) ?? id.slice(-6)).replace(TIME, (at) => moment(at, now));
  return {
    text: sentence(visible(named)),
    next: nextOf(waiting, state),
    ...(waiting.until === undefined ? {} : { until: waiting.until }),
    ...(waiting.command_id === undefined ? {} : { command: waiting.command_id }),
  };
}

function nextOf({ reason, runner_id }: Waiting, state: CommandState): string {
  if (reason !== "runner") return NEXT[reason] ?? "";
  if (runner_id === undefined) return FITS_NOBODY;
  return state === "queued" ? NEXT.runner : BEGUN;
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

function nameOf(id: string, { commands, devices, runners }: World): string | undefined {
  const command = commands.get(id);
  if (command) return `“${titleOf(command)}”`;
  return runners.get(id)?.name ?? devices.get(id)?.name;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
