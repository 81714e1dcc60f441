/** What is known about the link, with its evidence. Screens show nothing else about it. */
import type { ErrorCode } from "../generated/protocol";

export type LinkStatus =
  /** The device says that it has no network. */
  | { readonly is: "offline"; readonly since: number }
  /** Not connected; a try is under way, or due at `nextTryAt`. */
  | { readonly is: "reconnecting"; readonly since: number; readonly tries: number; readonly nextTryAt?: number }
  /** Connected; what was missed is on its way. */
  | { readonly is: "catching-up"; readonly since: number }
  | { readonly is: "live"; readonly since: number }
  /** The server won't have us, or is another one: trying again can't help. */
  | { readonly is: "refused"; readonly since: number; readonly code: ErrorCode | "SERVER_KEY_CHANGED"; readonly message: string };

export interface LinkState {
  readonly status: LinkStatus;
  /** When the server was last heard, by this device's clock; the age of everything shown. */
  readonly heardAt?: number;
}

export function isUp({ is }: LinkStatus): boolean {
  return is === "catching-up" || is === "live";
}

/** Why nothing can be asked now. */
export function inWords(status: LinkStatus): string {
  if (status.is === "refused") return status.message;
  return status.is === "offline" ? "this device has no network" : "there is no connection to the server";
}
