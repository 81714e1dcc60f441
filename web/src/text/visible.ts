/**
 * Makes visible what hides: control characters, bidirectional marks, invisible letters.
 *
 * Everything an agent, a device or a person named goes through here where it decides something
 * (a command to approve, a path, a name). Pure.
 */

export interface Piece {
  readonly text: string;
  /** What stands in for a hidden character, such as `U+202E`; shown as a mark. */
  readonly hidden: boolean;
}

/**
 * Control characters but tab and line feed; soft hyphen; zero-width and bidirectional marks;
 * invisible operators; byte order mark; variation and tag characters; unusual separators; lone surrogates.
 */
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]|[\ud800-\udfff]/gu;

const NAMES = new Map([
  [0x1b, "ESC"],
  [0x0d, "CR"],
  [0x00, "NUL"],
  [0x08, "BS"],
  [0x07, "BEL"],
  [0x202e, "RLO"],
  [0x202d, "LRO"],
  [0x2066, "LRI"],
  [0x2067, "RLI"],
  [0x200b, "ZWSP"],
]);

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > end) found.push({ text: text.slice(end, match.index), hidden: false });
    found.push({ text: nameOf(match[0]), hidden: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end), hidden: false });
  return found;
}

/** The same as one text, for labels and titles. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (letter) => `⟨${nameOf(letter)}⟩`);
}

/** Joiners build letters and pictures of many scripts: in prose they hide nothing that decides. */
const JOINING = new Set(["\u200c", "\u200d"]);

/** Prose: all that hides is made visible but what its letters need. */
export function readable(text: string): string {
  return text.replace(HIDDEN, (letter) => (JOINING.has(letter) ? letter : `⟨${nameOf(letter)}⟩`));
}

function nameOf(letter: string): string {
  const code = letter.codePointAt(0) ?? 0;
  return NAMES.get(code) ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
