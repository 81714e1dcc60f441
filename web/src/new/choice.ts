/** What is to be done, where, how and when, as the form has it; and the command it becomes. Pure. */
import type { AgentKind, Attachment, DevicePreference, ExecuteOptions, Failure, PermissionMode, Priority, Project, ProjectId, RetryPolicy, Target } from "../generated/protocol";
import type { Ask } from "../link/wire";
import { fromField } from "../text/times";
import { type Wish, ANY, selectorOf } from "./wish";

export interface Choice {
  where: "project" | "any";
  projectId: ProjectId | undefined;
  wish: Wish;
  /** Empty: the project's own. */
  agent: AgentKind | "";
  model: string;
  mode: PermissionMode | "";
  when: "soon" | "at" | "held";
  at: string;
  expires: string;
  priority: Priority;
  tries: number;
  /** Starting it twice does no harm. */
  safe: boolean;
  waitForLimit: boolean;
}

export const FRESH: Choice = {
  where: "project",
  projectId: undefined,
  wish: ANY,
  agent: "",
  model: "",
  mode: "",
  when: "soon",
  at: "",
  expires: "",
  priority: "normal",
  tries: 1,
  safe: false,
  waitForLimit: false,
};

/** What is remembered for the next time: how one works, not what this one command was about. */
export type Kept = Pick<Choice, "where" | "projectId" | "wish" | "agent" | "model" | "mode" | "tries" | "safe" | "waitForLimit">;

export function kept({ where, projectId, wish, agent, model, mode, tries, safe, waitForLimit }: Choice): Kept {
  return { where, projectId, wish: { ...wish }, agent, model, mode, tries, safe, waitForLimit };
}

/** The first of these projects that is there; else the first of all. */
export function firstOf(projects: readonly Project[], wanted: readonly (ProjectId | undefined)[]): Project | undefined {
  return wanted.map((id) => projects.find((project) => project.id === id)).find((found) => found !== undefined) ?? projects[0];
}

/** The choice with the agent this device prefers, where neither it nor the project names one. */
export function preferring(choice: Choice, project: Project | undefined, { agent }: DevicePreference): Choice {
  const open = choice.where === "project" && choice.agent === "" && project?.settings.agent === undefined;
  return open && agent !== undefined ? { ...choice, agent } : choice;
}

/** What keeps it from being sent, in words; nothing when it can be. */
export function lacks(choice: Choice, prompt: string, now: number): string | undefined {
  if (prompt.trim() === "") return "Write what is to be done.";
  if (choice.where === "project" && choice.projectId === undefined) return "Choose a project.";
  const at = fromField(choice.at);
  if (choice.when === "at" && at === undefined) return "Say at which time it may start.";
  const expires = fromField(choice.expires);
  if (expires !== undefined && Date.parse(expires) <= now) return "The time it expires at has passed.";
  if (expires !== undefined && choice.when === "at" && at !== undefined && expires <= at) return "It would expire before it may start.";
  return undefined;
}

export function askOf(choice: Choice, prompt: string, attachments: readonly Attachment[] = []): Ask<"command_submit"> {
  const expires = fromField(choice.expires);
  const at = choice.when === "at" ? fromField(choice.at) : undefined;
  return {
    target: targetOf(choice),
    kind: "prompt",
    payload: { prompt: prompt.trim(), ...optionsOf(choice), ...(choice.agent === "" ? {} : { agent: choice.agent }), ...(attachments.length === 0 ? {} : { attachments: [...attachments] }) },
    mode: "queue",
    ...(choice.priority === "normal" ? {} : { priority: choice.priority }),
    ...(at === undefined ? {} : { not_before: at }),
    ...(expires === undefined ? {} : { expires_at: expires }),
    ...(choice.when === "held" ? { hold: true } : {}),
    ...retryOf(choice),
  };
}

function targetOf({ where, projectId, wish }: Choice): Target {
  if (where === "project") return projectId === undefined ? {} : { project_id: projectId };
  return { selector: selectorOf(wish), ...(wish.path === "" ? {} : { path: wish.path }) };
}

function optionsOf({ model, mode }: Choice): { options?: ExecuteOptions } {
  const options = { ...(model.trim() === "" ? {} : { model: model.trim() }), ...(mode === "" ? {} : { permission_mode: mode }) };
  return Object.keys(options).length === 0 ? {} : { options: options as ExecuteOptions };
}

const TRIED_AGAIN: Failure[] = ["infrastructure", "timeout", "failed", "overloaded", "rate_limited"];

function retryOf({ tries, safe, waitForLimit }: Choice): { retry?: RetryPolicy } {
  if (tries === 1 && !waitForLimit) return {};
  return { retry: { attempts: tries, wait_ms: 1000, factor: 2, wait_max_ms: 5 * 60_000, on: TRIED_AGAIN, safe: safe && tries > 1, wait_for_limit: waitForLimit } };
}

export const MODES: readonly [PermissionMode, string][] = [
  ["default", "Asks as usual"],
  ["plan", "Only makes a plan"],
  ["acceptEdits", "Edits files without asking"],
  ["auto", "Decides by itself"],
  ["dontAsk", "Does what needs no question, refuses the rest"],
  ["bypassPermissions", "Never asks"],
];
