/**
 * What was known when the page was last open, on this device's disk: the app opens with it, and
 * says how old it is.
 */
import * as disk from "../disk/disk";
import type { ProjectId } from "../generated/protocol";
import { from } from "./spans";
import type { Transcript } from "./transcript";
import type { World } from "./world";

const KEY = "known";
/** Raised with every change of the shapes kept here; an older snapshot is not read. */
const SHAPE = 1;
/** Of each project, so much of its end. */
const MESSAGES_MAX = 200;
const TRANSCRIPTS_MAX = 12;
/** Longer messages are left to the server: the snapshot is for reading on the way. */
const MESSAGE_TEXT_MAX = 32 * 1024;

export interface Snapshot {
  readonly shape: typeof SHAPE;
  /** When the server was last heard before it was taken. */
  readonly heardAt: number;
  readonly world: World;
  readonly transcripts: ReadonlyMap<ProjectId, Transcript>;
}

export async function loadSnapshot(): Promise<Snapshot | undefined> {
  const found = await disk.get<Snapshot>("snapshot", KEY);
  return found?.shape === SHAPE ? found : undefined;
}

export function keepSnapshot(heardAt: number, world: World, transcripts: ReadonlyMap<ProjectId, Transcript>): Promise<void> {
  const kept = [...transcripts].slice(-TRANSCRIPTS_MAX).map(([id, transcript]) => [id, ending(transcript)] as const);
  const snapshot: Snapshot = { shape: SHAPE, heardAt, world, transcripts: new Map(kept) };
  // What is nested too deep to be copied is left to the server, and the last snapshot stays.
  return disk.put("snapshot", KEY, snapshot).catch((error: unknown) => {
    if (!(error instanceof RangeError)) throw error;
  });
}

/** The end of a transcript; it knows less than the whole, and says so. */
export function ending(transcript: Transcript): Transcript {
  const newest = transcript.messages.slice(-MESSAGES_MAX);
  const big = newest.findLastIndex((message) => (message.text?.length ?? 0) > MESSAGE_TEXT_MAX);
  const messages = newest.slice(big + 1);
  const cut = messages.length < transcript.messages.length;
  const after = transcript.messages[transcript.messages.length - messages.length - 1]?.seq ?? 0;
  const known = cut ? from(transcript.known, after + 1) : transcript.known;
  return { messages, known, lost: transcript.lost, streaming: undefined };
}

/** Until the next one is kept, the app opens without a network but knows nothing. */
export function forgetSnapshot(): Promise<void> {
  return disk.remove("snapshot", KEY);
}
