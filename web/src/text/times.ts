/** Points in time as forms have them (`datetime-local`, this device's own time zone). Pure. */

/** For the value of a field; empty when there is no time. */
export function toField(at: string | undefined): string {
  if (at === undefined) return "";
  const local = new Date(at);
  return new Date(local.getTime() - local.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What the field means as it is sent; nothing when it is empty or no time. */
export function fromField(field: string): string | undefined {
  const at = new Date(field);
  return field === "" || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** "today, 18:30", or with its date on another day, in this device's language. */
export function moment(at: string, now: number): string {
  const when = new Date(at);
  const time = when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (when.toDateString() === new Date(now).toDateString()) return `today, ${time}`;
  return `${when.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" })}, ${time}`;
}
