/** How a prompt is sent: what each way will do, and the command it becomes. Pure. */
import type { Attachment, Priority, Project, SendMode, SessionId } from "../generated/protocol";
import type { Ask } from "../link/wire";

export interface How {
  readonly mode: SendMode;
  readonly priority: Priority;
  /** As the field of a form gives it, in the viewer's time; empty: as soon as it can. */
  readonly notBefore: string;
  /** Another conversation than the present one. */
  readonly sessionId: SessionId | undefined;
}

export const USUAL: How = { mode: "queue", priority: "normal", notBefore: "", sessionId: undefined };

export const MODES: readonly { readonly mode: SendMode; readonly name: string; readonly words: string }[] = [
  { mode: "queue", name: "Queue", words: "Waits its turn: starts when what runs and waits is done." },
  { mode: "steer", name: "Steer", words: "Goes into the running turn: the agent reads it while it works." },
  { mode: "interrupt", name: "Interrupt", words: "Ends the running turn now, then starts this." },
];

export const PRIORITIES: readonly { readonly priority: Priority; readonly name: string }[] = [
  { priority: "low", name: "Low: after everything else" },
  { priority: "normal", name: "Normal" },
  { priority: "high", name: "High: before normal ones" },
  { priority: "critical", name: "Critical: before all others" },
];

/** The way that applies: a turn has to run to be steered or interrupted, and what has a time waits for it. */
export function modeFor({ mode, notBefore }: How, project: Project): SendMode {
  return project.state === "EXECUTING" && notBefore === "" ? mode : "queue";
}

export function commandOf(prompt: string, how: How, project: Project, attachments: readonly Attachment[] = []): Ask<"command_submit"> {
  return {
    target: { project_id: project.id },
    kind: "prompt",
    payload: { prompt, ...(how.sessionId === undefined ? {} : { session_id: how.sessionId }), ...(attachments.length === 0 ? {} : { attachments: [...attachments] }) },
    mode: modeFor(how, project),
    ...(how.priority === "normal" ? {} : { priority: how.priority }),
    ...(how.notBefore === "" ? {} : { not_before: new Date(how.notBefore).toISOString() }),
  };
}

/** What differs from the usual, as words beside the prompt. */
export function remarks({ priority, notBefore, sessionId }: How): string[] {
  return [
    ...(priority === "normal" ? [] : [`priority: ${priority}`]),
    ...(notBefore === "" ? [] : [`not before ${new Date(notBefore).toLocaleString()}`]),
    ...(sessionId === undefined ? [] : ["in an earlier conversation"]),
  ];
}
