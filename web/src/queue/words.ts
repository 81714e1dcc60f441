/** The queue in words: why something waits, how it ended, what keeps it. Pure. */
import type { AttemptView, ChainStep, Command, Hold, OutcomeKind, Priority, RunnerState } from "../generated/protocol";
import { age, duration, span } from "../text/age";
import { visible } from "../text/visible";

export type Tone = "calm" | "good" | "warn" | "bad" | "busy";

export interface Words {
  readonly tone: Tone;
  readonly text: string;
}

/** What is known around a command. */
export interface Around {
  readonly holds: readonly Hold[];
  readonly runner: RunnerState | undefined;
  /** There is a connection; without it nothing is known of the present. */
  readonly live: boolean;
  readonly now: number;
}

export function titleOf({ summary, kind }: Command): string {
  if (summary) return visible(summary);
  return { prompt: "A prompt", shell: "A command line", new_session: "A new conversation", kill: "Stop" }[kind];
}

/** The hold over a command, the nearest first: its own, its project's, its machine's, everything's. */
export function holdOver(command: Command, holds: readonly Hold[]): Hold | undefined {
  const own = command.held_by === undefined ? undefined : holds.find((hold) => hold.command_id === command.id);
  return own ?? holdOf(holds, { project_id: command.project_id }) ?? holdOf(holds, { runner_id: command.runner_id }) ?? holdOf(holds, {});
}

/** What can be held: one of the three, or none of them for everything. */
export interface Scope {
  readonly command_id?: string;
  readonly project_id?: string;
  readonly runner_id?: string;
}

export function holdOf(holds: readonly Hold[], scope: Scope): Hold | undefined {
  return holds.find((hold) => hold.command_id === scope.command_id && hold.project_id === scope.project_id && hold.runner_id === scope.runner_id);
}

/** The state of a command in few words. */
export function stateWords(command: Command, around: Around): Words {
  switch (command.state) {
    case "queued":
      return waits(command, around);
    case "leased":
      if (!around.live) return { tone: "calm", text: "was about to start" };
      return away(around.runner) ? { tone: "warn", text: "given to a machine that is away" } : { tone: "busy", text: "about to start" };
    case "running":
      return running(command, around);
    case "succeeded":
      return { tone: "good", text: "done" };
    case "failed":
    case "cancelled":
    case "expired":
      return { tone: command.state === "failed" ? "bad" : "calm", text: command.state };
    case "interrupted":
      return { tone: "warn", text: "outcome unknown" };
    case "dead":
      return { tone: "bad", text: command.outcome === undefined ? "given up" : `given up: ${outcomeWords(command.outcome.kind)}` };
  }
}

function running({ kill_requested_by, started_at }: Command, { runner, live, now }: Around): Words {
  if (!live) return { tone: "calm", text: "was running" };
  if (kill_requested_by !== undefined) return { tone: "warn", text: away(runner) ? "stops when its machine is back" : "stopping" };
  if (away(runner)) return { tone: "warn", text: "running when last heard" };
  return { tone: "busy", text: started_at === undefined ? "running" : `running for ${span(Math.max(0, Math.round((now - Date.parse(started_at)) / 1000)))}` };
}

function waits(command: Command, { holds, runner, now }: Around): Words {
  if (command.held_by !== undefined) return { tone: "warn", text: "held" };
  const hold = holdOver(command, holds);
  if (command.waiting_for === "order") return { tone: "calm", text: "waits its turn" };
  if (hold !== undefined) return { tone: "warn", text: heldWhat(hold) };
  switch (command.waiting_for) {
    case "time":
      return { tone: "calm", text: startsAt(command.not_before, now) };
    case "limit":
      return { tone: "warn", text: "waits for the agent's limit" };
    case "approval":
      return { tone: "warn", text: "waits for an approval" };
    default:
      if (command.waiting_for === "runner" && isUnplaced(command, runner)) return { tone: "warn", text: "no machine fits" };
      return away(runner) ? { tone: "calm", text: `waits until ${visible(runner?.name ?? "its machine")} is back` } : { tone: "calm", text: "waits for a free place" };
  }
}

/** It was sent to whichever machine fits, and has none yet: where it waits is no machine that is known. */
export function isUnplaced({ state }: Command, runner: RunnerState | undefined): boolean {
  return state === "queued" && runner === undefined;
}

function startsAt(at: string | undefined, now: number): string {
  const ms = at === undefined ? NaN : Date.parse(at);
  return ms > now ? `starts ${age(ms, now)}` : "waits before its next try";
}

function heldWhat({ project_id, runner_id }: Hold): string {
  if (project_id !== undefined) return "its project is held";
  return runner_id === undefined ? "everything is held" : "its machine is held";
}

function away(runner: RunnerState | undefined): boolean {
  return runner !== undefined && !runner.online;
}

const STEPS: Partial<Record<string, string>> = {
  submitted: "Sent",
  accepted: "On the server's disk",
  moved: "Moved to another machine",
  leased: "Given to the machine",
  consumed: "Given to the agent",
  finished: "Ended",
};

/** A newer server may know steps this app does not. */
export function stepWords(step: ChainStep | string): string {
  return STEPS[step] ?? visible(step);
}

const OUTCOMES: Record<OutcomeKind, string> = {
  succeeded: "done",
  failed: "failed",
  cancelled: "cancelled",
  killed: "stopped",
  timed_out: "took too long",
  interrupted: "outcome unknown",
  auth_required: "the agent is not signed in",
  session_lost: "the agent no longer knows the conversation",
  rate_limited: "the agent's usage limit",
  transient: "the agent's service failed for a moment",
  limit_reached: "reached a limit of the agent",
  missing_result: "ended without a result",
  not_started: "could not be started",
};

export function outcomeWords(kind: OutcomeKind): string {
  return OUTCOMES[kind] ?? visible(kind);
}

/** "took too long · 2 s · EXECUTION_TIMEOUT" */
export function attemptWords({ outcome, started_at, finished_at }: AttemptView): string {
  if (outcome === undefined) return started_at === undefined ? "not started yet" : finished_at === undefined ? "running" : "ended";
  const took = outcome.duration_ms === undefined ? [] : [duration(outcome.duration_ms)];
  return [outcomeWords(outcome.kind), ...took, ...(outcome.code === undefined ? [] : [outcome.code])].join(" · ");
}

/** Why a command that ended badly did so, in one line. */
export function causeOf({ outcome, state }: Command): string {
  if (outcome === undefined) return state === "interrupted" ? "Its machine stopped while it ran." : "It used up its tries.";
  const said = outcome.message === undefined ? "" : `: ${visible(outcome.message)}`;
  return `${outcomeWords(outcome.kind)}${said}`;
}

export const PRIORITIES: readonly [Priority, string][] = [
  ["low", "Low"],
  ["normal", "Normal"],
  ["high", "High"],
  ["critical", "Critical"],
];

/** "2 waiting, 1 to decide" */
/** `more`: there are others that were not listed. */
export function countWords(waiting: number, undecided: number, more = false): string {
  const parts = [...(waiting === 0 ? [] : [`${more ? "more than " : ""}${waiting} waiting or running`]), ...(undecided === 0 ? [] : [`${undecided} to decide`])];
  return parts.join(", ") || "Nothing waits";
}
