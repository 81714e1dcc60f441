/** The frames of `/ws` as this app sends and reads them (docs/PROTOCOL.md, Frames). */
import type { ErrorBody, Fact, LostEvents, Requests } from "../generated/protocol";

export type RequestName = keyof Requests;
export type Reply<K extends RequestName> = Requests[K]["reply"];

/** What a request carries. Fields with a default may be left out; the server names what is missing. */
export type Ask<K extends RequestName> = Partial<Requests[K]["data"]>;

/** A fact with where and when it happened. Ephemeral ones have no number. */
export interface TopicEvent {
  readonly topic: string;
  readonly seq?: number;
  readonly at: string;
  readonly project_id?: string;
  readonly fact: Fact;
}

export type Incoming =
  | { readonly kind: "reply"; readonly id: string; readonly data: unknown }
  | { readonly kind: "refused"; readonly id: string; readonly error: ErrorBody }
  | { readonly kind: "event"; readonly event: TopicEvent }
  | { readonly kind: "gap"; readonly lost: LostEvents }
  | { readonly kind: "other" };

interface Frame {
  type: string;
  id?: string | number;
  topic?: string;
  seq?: number;
  at?: string;
  data?: unknown;
}

/** Reads a frame. What is unknown is "other": a newer server may say more than this app knows. */
export function read(text: string): Incoming {
  const frame = JSON.parse(text) as Frame;
  if (typeof frame.id === "string") {
    if (frame.type === "error") return { kind: "refused", id: frame.id, error: frame.data as ErrorBody };
    return { kind: "reply", id: frame.id, data: frame.data };
  }
  if (frame.type === "gap") return { kind: "gap", lost: frame.data as LostEvents };
  if (frame.type !== "event" || frame.topic === undefined) return { kind: "other" };
  return { kind: "event", event: eventOf(frame, frame.topic) };
}

function eventOf(frame: Frame, topic: string): TopicEvent {
  const fact = frame.data as Fact & { project_id?: string };
  const [family, id] = topic.split(":");
  const projectId = fact.project_id ?? (family === "project" ? id : undefined);
  return {
    topic,
    at: frame.at ?? new Date().toISOString(),
    fact,
    ...(frame.seq === undefined ? {} : { seq: frame.seq }),
    ...(projectId === undefined ? {} : { project_id: projectId }),
  };
}
