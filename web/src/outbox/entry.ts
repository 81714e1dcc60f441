/** What a person sent and the server has not acknowledged. Pure. */
import type { Attachment, ErrorBody, ErrorCode, ProjectId } from "../generated/protocol";
import type { Ask } from "../link/wire";

/** A file of this device, whole, and what it is called. */
export interface LocalFile {
  readonly attachment: Attachment;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The write that takes a draft away which was sent, unless it was changed since. */
export type DraftSent = Ask<"state_set"> & { readonly key: string };

export interface Entry {
  /** The command's own mark, made before the first try: the server does it once, however often it comes. */
  readonly key: string;
  /** Its place in the order of sending. */
  readonly madeAt: number;
  readonly projectId: ProjectId | undefined;
  readonly ask: Ask<"command_submit">;
  /** What goes with it, uploaded before it is sent. */
  readonly files?: readonly LocalFile[];
  /** What it was typed as, and is no longer once the server has it. */
  readonly draft?: DraftSent;
  /** The server refused it for good; a person decides what becomes of the words. */
  readonly refused?: ErrorBody;
}

/** Refusals that time may heal. */
const PASSING = new Set<ErrorCode>(["RATE_LIMITED", "RESOURCE_LIMIT", "UNAVAILABLE", "INTERNAL_ERROR", "SLOW_CONSUMER"]);

export function isPassing(code: ErrorCode): boolean {
  return PASSING.has(code);
}

/** What is to be sent now, the oldest first. */
export function due(entries: readonly Entry[]): Entry[] {
  return inOrder(entries).filter((entry) => entry.refused === undefined);
}

export function inOrder(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => a.madeAt - b.madeAt || (a.key < b.key ? -1 : 1));
}
