/** The part of a message around what was looked for. Pure. */
import { oneLine } from "../../state/world";

export interface Excerpt {
  readonly before: string;
  readonly match: string;
  readonly after: string;
}

/** Characters shown before what was found. */
const LEAD = 40;
/** Characters of a message that are looked through for it: what is shown is a line. */
const LOOKED_MAX = 64 * 1024;

export function excerpt(text: string, wanted: string): Excerpt {
  const at = wanted === "" ? -1 : text.slice(0, LOOKED_MAX).toLowerCase().indexOf(wanted.toLowerCase());
  if (at < 0) return { before: oneLine(text), match: "", after: "" };
  const first = Math.max(0, at - LEAD);
  const end = at + wanted.length;
  return {
    before: (first > 0 ? "…" : "") + text.slice(first, at).replace(/\s+/g, " "),
    match: text.slice(at, end).replace(/\s+/g, " "),
    after: text.slice(end, end + 200).replace(/\s+/g, " "),
  };
}
