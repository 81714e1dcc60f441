/** A pairing on its way: what the screen shows of it. Pure. */
import type { Pairing, Scope } from "../generated/protocol";

export type Step =
  | { readonly is: "waiting" }
  | { readonly is: "came"; readonly digits: string }
  | { readonly is: "in"; readonly deviceId: string | undefined }
  | { readonly is: "over"; readonly why: string };

export function stepOf(pairing: Pairing, now: number): Step {
  switch (pairing.state) {
    case "approved":
      // A link is decided when it is made, and has a device only once somebody came.
      if (pairing.link && pairing.device_id === undefined) return waiting(pairing, now);
      return { is: "in", deviceId: pairing.device_id };
    case "claimed":
      return pairing.digits === undefined ? { is: "waiting" } : { is: "came", digits: pairing.digits };
    case "refused":
      return { is: "over", why: "It was not let in." };
    case "locked":
      return { is: "over", why: "Five wrong codes were typed: this code works no more." };
    case "open":
      return waiting(pairing, now);
  }
}

function waiting({ expires_at }: Pairing, now: number): Step {
  return Date.parse(expires_at) > now ? { is: "waiting" } : { is: "over", why: "No device came in time." };
}

/** The command for a machine that shall work for this server. */
export function runnerCommand(code: string, origin: string): string {
  return `afield runner --pair ${code} --server ${origin}`;
}

/** What a new device may do unless something else is chosen: no more than its maker may. */
export function usualScopes(own: readonly Scope[]): Scope[] {
  return (["view", "approve", "prompt"] as const).filter((scope) => own.includes(scope));
}
