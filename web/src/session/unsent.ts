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
