/** Values from elsewhere as text. Pure. */

/** JSON with indents; words instead, for what is nested deeper than can be written out. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value, null, 2) ?? "";
  } catch {
    return "(nested too deep to show)";
  }
}
