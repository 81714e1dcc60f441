/**
 * What is being typed, on all of a person's devices: which text a composer shows, and which stand
 * beside it. Pure.
 *
 * The server keeps both texts when two devices write without knowing of each other; here nothing
 * typed is ever replaced by a text from elsewhere.
 */
import type { DeviceId, Project, StateRegister } from "../generated/protocol";

/** What this device holds; kept on its disk. */
export interface Draft {
  readonly text: string;
  /** The register it belongs to; none for one that was kept when drafts belonged to projects. */
  readonly key?: string;
  /** The version of the register the typing began with. */
  readonly base: number;
  /** Typed, and not yet taken by the server. */
  readonly unsaved: boolean;
}

export const EMPTY_DRAFT: Draft = { text: "", base: 0, unsaved: false };

/** The register of what is being typed: of a project's conversation, or of the project before it has one. */
export function draftKeyOf({ id, session_id }: Pick<Project, "id" | "session_id">): string {
  return `draft:${session_id ?? id}`;
}

/** The draft in the conversation the project is in now: what was typed goes along, as new there. */
export function moved(draft: Draft, key: string): Draft {
  return draft.key === key ? draft : { key, text: draft.text, base: 0, unsaved: draft.text !== "" };
}

/** A text of the register drafts had when they belonged to projects; read where nothing is typed or stands yet. */
export function inherited(draft: Draft, present: StateRegister | undefined, old: StateRegister | undefined): Draft {
  const text = old === undefined ? "" : textOf(old);
  return draft.text !== "" || present !== undefined || text === "" ? draft : { ...draft, text, unsaved: true };
}

/** Whether deleting a register loses nothing but this text. */
export function holdsOnly(register: StateRegister | undefined, text: string): boolean {
  return register?.value === text && (register.others ?? []).length === 0;
}

export function typed(draft: Draft, text: string): Draft {
  return text === draft.text ? draft : { ...draft, text, unsaved: true };
}

/** The draft after the register changed. What was typed here and not saved stays. */
export function heard(draft: Draft, register: StateRegister | undefined): Draft {
  if (register === undefined || register.version <= draft.base) return draft;
  // The same words from another screen are no other text.
  if (draft.unsaved && (textOf(register) !== draft.text || (register.others ?? []).length > 0)) return draft;
  return { ...draft, text: textOf(register), base: register.version, unsaved: false };
}

/** Whether the server has to say what became of the register: it had this text, and lists it no more. */
export function isMissing(draft: Draft, register: StateRegister | undefined): boolean {
  return register === undefined && draft.key !== undefined && draft.base > 0 && draft.text !== "" && !draft.unsaved;
}

/** Whether it is a text the server had in another conversation than the one of `key`. */
export function isSavedElsewhere(draft: Draft, key: string): boolean {
  return draft.key !== undefined && draft.key !== key && draft.text !== "" && !draft.unsaved;
}

/** The draft that was missing, as it was `found`. What the server deleted is gone; what it never had is to be saved again. */
export function missed(draft: Draft, found: StateRegister | undefined): Draft {
  return found !== undefined && found.version > draft.base ? heard(draft, found) : { ...draft, base: found?.version ?? 0, unsaved: true };
}

/** The draft after the server took `sent`. What was typed meanwhile is still to be saved, on top of that. */
export function saved(draft: Draft, sent: string, register: StateRegister): Draft {
  return { ...draft, base: register.version, unsaved: draft.text !== sent };
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
  const others = register?.others ?? [];
  if (register === undefined || others.length === 0) return [];
  const all = [{ text: textOf(register), device_id: register.device_id, device_name: register.device_name }, ...others];
  return all
    .filter((other) => other.text !== "" && other.text !== text && other.device_id !== own)
    .map((other) => ({ text: other.text, device: other.device_name }));
}

/** What is left to write after `sent` was: what was typed since, behind it or instead, and the texts nobody decided about. */
export function left(text: string, sent: string, others: readonly Other[]): string {
  const since = text.startsWith(sent) ? text.slice(sent.length) : text;
  return [since, ...others.map((other) => other.text)].filter((one) => one !== "").join("\n\n");
}

function textOf({ value }: StateRegister): string {
  return typeof value === "string" ? value : "";
}
