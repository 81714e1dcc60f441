/** The state of the connection in words, with its evidence. Pure. */
import type { LinkState } from "../link/status";
import { age } from "../text/age";

export interface Words {
  readonly tone: "calm" | "warn" | "bad";
  readonly text: string;
  /** What trying by hand can do. */
  readonly canTry: boolean;
}

/** After a loss shorter than this nothing is said: it would only flicker. */
const UNSAID_MS = 1_000;

/** A try that is due within this is under way, as far as a person sees. */
const SOON_MS = 2_000;

/** What the banner says; nothing while all is well. `knownAt` dates what the screen shows. */
export function connectionWords({ status }: LinkState, knownAt: number | undefined, now: number): Words | undefined {
  const shown = knownAt === undefined ? "" : ` Shown: as of ${age(knownAt, now)}.`;
  switch (status.is) {
    case "live":
      return undefined;
    case "offline":
      return { tone: "warn", text: `No network.${shown}`, canTry: false };
    case "catching-up":
      return now - status.since < UNSAID_MS ? undefined : { tone: "calm", text: `Connected, catching up.${shown}`, canTry: false };
    case "refused":
      return { tone: "bad", text: status.message, canTry: false };
    case "reconnecting": {
      if (now - status.since < UNSAID_MS) return undefined;
      const soon = status.nextTryAt === undefined || status.nextTryAt < now + SOON_MS;
      const next = soon ? "trying again" : `next try ${age(status.nextTryAt ?? now, now)}`;
      return { tone: "warn", text: `Not connected, ${next}.${shown}`, canTry: true };
    }
  }
}
