/** Days as a stream of messages names them. Pure. */

/** A number for each day of the viewer's calendar, cheap enough to ask for every message. */
export function dayOf(ms: number, offsetMinutes = new Date(ms).getTimezoneOffset()): number {
  return Math.floor((ms - offsetMinutes * 60_000) / 86_400_000);
}

/** "Today", "Yesterday", then the date. */
export function dayName(ms: number, now: number): string {
  const ago = dayOf(now) - dayOf(ms);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  const year = new Date(ms).getFullYear() === new Date(now).getFullYear() ? {} : ({ year: "numeric" } as const);
  return new Date(ms).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "long", ...year });
}
