/** What can be told, how it is chosen, and what became of it, in words. Pure. */
import { Refusal } from "../../identity/failure";
import type { Ability } from "./push";
import type { PushDelivery, PushKind, PushSettings, QuietHours } from "../../generated/protocol";

export const KINDS: readonly { readonly kind: PushKind; readonly name: string; readonly about: string }[] = [
  { kind: "approval", name: "Approvals", about: "An agent asks whether it may do something" },
  { kind: "question", name: "Questions", about: "An agent asks you something" },
  { kind: "failure", name: "Failures", about: "Work failed, was interrupted or expired" },
  { kind: "dead_letter", name: "Given up", about: "All tries were used up" },
  { kind: "finished", name: "Finished", about: "Work is done" },
  { kind: "runner", name: "Machines", about: "A machine went away, or is back" },
];

export function withKind(settings: PushSettings, kind: PushKind, on: boolean): PushSettings {
  const kinds = KINDS.map((one) => one.kind).filter((one) => (one === kind ? on : settings.kinds.includes(one)));
  return { ...settings, kinds };
}

/** Quiet hours as they begin for somebody who had none. */
export function usualQuiet(timeZone: string): QuietHours {
  return { from: "22:00", to: "07:00", time_zone: timeZone, urgent: true };
}

export function withQuiet({ kinds }: PushSettings, quiet: QuietHours | undefined): PushSettings {
  return quiet ? { kinds, quiet } : { kinds };
}

const OUTCOMES = {
  sent: "the push service took it",
  failed: "not delivered",
  gone: "the subscription is gone: turn notifications off and on again",
} as const;

export function deliveryWords({ outcome, tries, status, reason }: PushDelivery): string {
  const how = [reason, status === undefined ? undefined : `answer ${status}`, tries > 1 ? `${tries} tries` : undefined].filter((part) => part !== undefined);
  return how.length > 0 && outcome !== "sent" ? `${OUTCOMES[outcome]} (${how.join(", ")})` : OUTCOMES[outcome];
}

export const UNABLE: Record<Exclude<Ability, "able">, { readonly title: string; readonly whatToDo: string }> = {
  refused: { title: "This browser refuses notifications", whatToDo: "Allow them for this address in the browser's settings, then come back." },
  "install-first": { title: "Put Afield on the home screen first", whatToDo: "On iPhone and iPad only the installed app can notify you: tap Share, then “Add to Home Screen”." },
  unable: { title: "This browser has no notifications", whatToDo: "Afield shows what needs you when it is open." },
};

/** A server from before notifications does not know the request. */
export function isUnknownToServer(error: unknown): boolean {
  return error instanceof Refusal && error.code === "VALIDATION_FAILED";
}
