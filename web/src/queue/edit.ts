/** What is changed about a command that waits: only what was touched is sent. Pure. */
import type { CommandDetail, Payload, Priority } from "../generated/protocol";
import { fromField, toField } from "../text/times";

/** A form's state. */
export interface Draft {
  prompt: string;
  priority: Priority;
  notBefore: string;
  expires: string;
}

export interface Edit {
  payload?: Payload;
  priority?: Priority;
  not_before?: string;
  expires_at?: string;
}

export function draftOf({ payload, priority, not_before, expires_at }: CommandDetail): Draft {
  return { prompt: payload.prompt ?? "", priority: priority ?? "normal", notBefore: toField(not_before), expires: toField(expires_at) };
}

/**
 * Nothing when nothing was touched since the form was filled with `before`; `detail` is what the command is now.
 * Taking the time away means that it may start now; an expiry can be moved, not taken away.
 */
export function changes(before: Draft, detail: CommandDetail, draft: Draft, now: number): Edit | undefined {
  const edit: Edit = {};
  if (draft.prompt.trim() !== before.prompt) edit.payload = { ...detail.payload, prompt: draft.prompt.trim() };
  if (draft.priority !== before.priority) edit.priority = draft.priority;
  if (draft.notBefore !== before.notBefore) edit.not_before = fromField(draft.notBefore) ?? new Date(now).toISOString();
  const expires = fromField(draft.expires);
  if (draft.expires !== before.expires && expires !== undefined) edit.expires_at = expires;
  return Object.keys(edit).length === 0 ? undefined : edit;
}
