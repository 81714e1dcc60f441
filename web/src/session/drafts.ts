/**
 * What is being typed, on all of a person's devices: which text a composer shows, and which stand
 * beside it. Pure.
 *
 * The server keeps both texts when two devices write without knowing of each other; here nothing
 * typed is ever replaced by a text from elsewhere.
 */
import type { DeviceId, ProjectId, StateRegister } from "../generated/protocol";

/** What this device holds; kept on its disk. */
export interface Draft {
  readonly text: string;
  /** The version of the register the typing began with. */
  readonly base: number;
  /** Typed, and not yet taken by the server. */
  readonly unsaved: boolean;
}

export const EMPTY_DRAFT: Draft = { text: "", base: 0, unsaved: false };

export function draftKeyOf(projectId: ProjectId): string {
  return `draft:${projectId}`;
}

export function typed(draft: Draft, text: string): Draft {
  return text === draft.text ? draft : { ...draft, text, unsaved: true };
}

/** The draft after the register changed. What was typed here and not saved stays. */
export function heard(draft: Draft, register: StateRegister | undefined): Draft {
  if (register === undefined || register.version <= draft.base || draft.unsaved) return draft;
  return { text: textOf(register), base: register.version, unsaved: false };
}

/** The draft after the server took `sent`. What was typed meanwhile is still to be saved, on top of that. */
export function saved(draft: Draft, sent: string, register: StateRegister): Draft {
  return { text: draft.text, base: register.version, unsaved: draft.text !== sent };
}

export interface Other {
  readonly text: string;
  readonly device: string;
}

/**
 * Texts of other devices that stand beside the one shown, until somebody decides. While there are
 * any nothing is saved: a write that knows of them would replace them.
 */
export function othersOf(register: StateRegister | undefined, text: string, own: DeviceId): Other[] {
  // Left out of the frame where there are none.
  const { others = [] } = (register ?? {}) as Partial<StateRegister>;
  if (register === undefined || others.length === 0) return [];
  const all = [{ text: textOf(register), device_id: register.device_id, device_name: register.device_name }, ...others];
  return all
    .filter((other) => other.text !== "" && other.text !== text && other.device_id !== own)
    .map((other) => ({ text: other.text, device: other.device_name }));
}

/** What is left to write after the text was sent: the texts nobody decided about. */
export function left(others: readonly Other[]): string {
  return others.map((other) => other.text).join("\n\n");
}

function textOf({ value }: StateRegister): string {
  return typeof value === "string" ? value : "";
}
