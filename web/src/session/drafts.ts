/**
 * What is being typed, on all of a person's screens: which text a composer shows, and which stand
 * beside it. Pure.
 *
 * The server keeps both texts when two screens write without knowing of each other; here nothing
 * typed is ever replaced by a text from elsewhere.
 */
import type { DeviceId, Hlc, Project, ReplicaId, StateRegister } from "../generated/protocol";

/** What a composer holds; kept on the device's disk. */
export interface Draft {
  readonly text: string;
  /** The register it belongs to; none for one that was kept when drafts belonged to projects. */
  readonly key?: string;
  /** The version of the register the typing began with. */
  readonly base: number;
  /** Typed, and not yet taken by the server. */
  readonly unsaved: boolean;
  /** Who writes it: what the server has of the same is what was typed here before. It goes with the text, so a screen without one is another. */
  readonly node?: ReplicaId;
  /** The time of its last write. */
  readonly at?: number;
}

export const EMPTY_DRAFT: Draft = { text: "", base: 0, unsaved: false };

/** The register of what is being typed: of a project's conversation, or of the project before it has one. */
export function draftKeyOf({ id, session_id }: Pick<Project, "id" | "session_id">): string {
  return `draft:${session_id ?? id}`;
}

/** The draft in the conversation the project is in now: what was typed goes along, as new there. */
export function moved(draft: Draft, key: string): Draft {
  return draft.key === key ? draft : { ...draft, key, base: 0, unsaved: draft.text !== "" };
}

/**
 * What a screen begins with: what is its `own`, and what screens that are gone `left` and the server has
 * not got. A text the server has is taken over only where there is nothing else, in its own conversation.
 */
export function takenOver(own: Draft | undefined, left: readonly Draft[], key: string): Draft {
  const all = own === undefined ? left : [own, ...left];
  const unsaved = all.filter((draft) => draft.unsaved);
  const from = unsaved.length > 0 ? unsaved : own ? [own] : left.filter((draft) => draft.key === key);
  const [newest = EMPTY_DRAFT] = [...from].sort((a, b) => b.base - a.base);
  const texts = new Set(unsaved.map(({ text }) => text).filter((text) => text !== ""));
  return unsaved.length > 1 ? { ...newest, text: [...texts].join("\n\n") } : newest;
}

/** When it is written now: after all it wrote before, also where the clock was set back, and after what it knows of. */
export function pointOf({ node, at = 0 }: Draft, known: StateRegister | undefined, now: number): Hlc | undefined {
  return node === undefined ? undefined : { ms: Math.max(now, at + 1, (known?.hlc.ms ?? 0) + 1), count: 0, node };
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
  const others = register.others ?? [];
  // The same words from another screen are no other text.
  if (draft.unsaved && (textOf(register) !== draft.text || others.length > 0)) return draft;
  // Of texts typed apart, the one that is shown goes on being shown.
  const text = others.some((other) => other.text === draft.text) ? draft.text : textOf(register);
  return { ...draft, text, base: register.version, unsaved: false };
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

/**
 * The draft after the server took `sent`. What was typed meanwhile is still to be saved, on top of
 * that. Where nothing was left to write and another's text stands, that is one it did not know of.
 */
export function saved(draft: Draft, sent: string, register: StateRegister): Draft {
  if (sent === "" && textOf(register) !== "") return heard({ ...draft, unsaved: draft.text !== sent }, register);
  return { ...draft, base: register.version, unsaved: draft.text !== sent };
}

export interface Other {
  readonly text: string;
  readonly device: string;
}

/**
 * Texts of other screens that stand beside the one shown, until somebody decides. While there are
 * any nothing is saved: a write that knows of them would replace them.
 */
export function othersOf(register: StateRegister | undefined, { text, node }: Draft, own: DeviceId): Other[] {
  const others = register?.others ?? [];
  if (register === undefined || others.length === 0) return [];
  const all = [{ ...register, text: textOf(register) }, ...others];
  return all
    .filter((other) => other.text !== "" && other.text !== text && other.hlc.node !== node)
    .map((other) => ({ text: other.text, device: other.device_id === own ? "another window of this device" : other.device_name }));
}

/** What is left to write after `sent` was: what was typed since, behind it or instead, and the texts nobody decided about. */
export function left(text: string, sent: string, others: readonly Other[]): string {
  const since = text.startsWith(sent) ? text.slice(sent.length) : text;
  return [since, ...others.map((other) => other.text)].filter((one) => one !== "").join("\n\n");
}

function textOf({ value }: StateRegister): string {
  return typeof value === "string" ? value : "";
}
