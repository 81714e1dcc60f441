/** How long to wait before the next try: none before the first, then random within a growing bound. */

const FIRST_BOUND_MS = 100;
const BOUND_MAX_MS = 30_000;
/** Somebody who looks at the page waits for it. */
const BOUND_WATCHED_MS = 5_000;

/** `tries` that failed since the link last worked. Full jitter: a herd that was cut comes back spread. */
export function waitBefore(tries: number, isWatched: boolean, random: () => number = Math.random): number {
  if (tries === 0) return 0;
  return random() * Math.min(FIRST_BOUND_MS * 2 ** (tries - 1), isWatched ? BOUND_WATCHED_MS : BOUND_MAX_MS);
}
