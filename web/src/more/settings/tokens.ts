/** Credentials that are no keys: which there are, when they end. Pure. */
import type { Device } from "../../generated/protocol";

const DAY_MS = 24 * 60 * 60 * 1000;
export const LIFETIMES = [
  { lifetime: "day", label: "After a day", days: 1 },
  { lifetime: "month", label: "After 30 days", days: 30 },
  { lifetime: "year", label: "After a year", days: 365 },
  { lifetime: "never", label: "Never by itself", days: undefined },
] as const;
export type Lifetime = (typeof LIFETIMES)[number]["lifetime"];

export function expiry(lifetime: Lifetime, now: number): string | undefined {
  const days = LIFETIMES.find((one) => one.lifetime === lifetime)?.days;
  return days === undefined ? undefined : new Date(now + days * DAY_MS).toISOString();
}

/** The server's own console and its machine are no scripts: they are met among the machines. */
const NO_SCRIPTS: ReadonlySet<Device["kind"]> = new Set(["console", "runner"]);

/** Those that still open something, the newest first. */
export function tokensOf(devices: Iterable<Device>): Device[] {
  const tokens = [...devices].filter(({ credential, kind, revoked_at }) => credential === "token" && !NO_SCRIPTS.has(kind) && revoked_at === undefined);
  return tokens.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
}
