/** What is said of words that only this device has. Pure. */
import type { Entry } from "../outbox/entry";
import type { Delivery } from "./turn";

/** A file on its way to the server. */
export interface Uploading {
  readonly key: string;
  readonly name: string;
  readonly part: number;
}

export function unsent({ key }: Entry, uploading: Uploading | undefined): Delivery {
  if (uploading?.key !== key) return { text: "on this device, waits for a connection", icon: "offline", tone: "warn" };
  return { text: `uploading ${uploading.name}: ${Math.round(uploading.part * 100)} %`, icon: "clock", tone: "calm" };
}

/** Where the project gets another agent, when its own can't be used where it is. */
export function agentPageOf({ refused, projectId, ask }: Entry): string | undefined {
  const lacks = refused?.code === "CLAUDE_NOT_FOUND" || refused?.code === "AGENT_UNAVAILABLE";
  // An agent that was named for this one stays named when it is sent again.
  if (!lacks || projectId === undefined || ask.payload?.agent !== undefined) return undefined;
  return `/more/defaults?${new URLSearchParams({ project: projectId })}`;
}
