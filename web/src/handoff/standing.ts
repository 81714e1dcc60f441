/** Where the person's focus is, seen from one screen, and what is said about it. Pure. */
import type { DeviceId, Focus, Handoff, Project, ProjectId, ReplicaId } from "../generated/protocol";
import { visible } from "../text/visible";

/** One tab of one device. */
export interface Screen {
  readonly deviceId: DeviceId;
  readonly screen: ReplicaId;
}

export type Standing =
  /** Not asked for yet. */
  | { readonly is: "unknown" }
  | { readonly is: "nobody" }
  | { readonly is: "here" }
  | { readonly is: "elsewhere"; readonly name: string; readonly offered: boolean };

export function standing(handoff: Handoff | undefined, me: Screen | undefined): Standing {
  if (handoff === undefined || me === undefined) return { is: "unknown" };
  const { holder, offered_to } = handoff;
  if (holder === undefined) return { is: "nobody" };
  if (holder.device_id === me.deviceId && holder.screen === me.screen) return { is: "here" };
  return { is: "elsewhere", name: holder.device_id === me.deviceId ? "another window of this device" : visible(holder.device_name), offered: offered_to === me.deviceId };
}

/** Whether a screen that shows something may hold the focus without being asked to. */
export function mayTakeUnasked(now: Standing): boolean {
  return now.is === "nobody" || now.is === "here";
}

export interface Said {
  readonly text: string;
  readonly button: string;
  /** Louder than the rest: somebody asks. */
  readonly asks: boolean;
}

/** What surrounds the question. */
export interface Looking {
  /** The project on this screen. */
  readonly shown: ProjectId | undefined;
  /** The focus was here before it went elsewhere. */
  readonly wasHere: boolean;
  /** The project the focus is on, where it is known. */
  readonly nameOf: (id: ProjectId) => string | undefined;
}

/** What the bar says; nothing when the other screen is no concern of this one. */
export function said(now: Standing, focus: Focus | undefined, looking: Looking): Said | undefined {
  if (now.is !== "elsewhere") return undefined;
  const project = focus?.project_id === undefined ? undefined : looking.nameOf(focus.project_id);
  if (now.offered) return { text: `${capital(now.name)} asks you to go on here${project ? ` with ${project}` : ""}.`, button: "Continue here", asks: true };
  if (looking.wasHere) return { text: `Continued on ${now.name}.`, button: "Bring it back", asks: false };
  if (looking.shown !== undefined && focus?.project_id === looking.shown) return { text: `Also open on ${now.name}.`, button: "Continue here", asks: false };
  return undefined;
}

/** What a screen with this project shows, for other screens. */
export function focusOf(project: Project): Focus {
  return { project_id: project.id, ...(project.session_id === null ? {} : { session_id: project.session_id }) };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
