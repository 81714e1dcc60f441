/**
 * Terminal colours as pieces with class names. Loaded when first needed.
 *
 * Only colour and weight are kept (SGR); every other sequence (cursor, title, links, screens) is
 * dropped: output can move nothing here. Pure.
 */

export interface Coloured {
  readonly text: string;
  readonly classes: string;
}

interface Style {
  colour: string | undefined;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
}

/** SGR; other CSI; OSC up to its end; other two-character escapes. */
const SEQUENCE = /\u001b\[([\d;]*)m|\u001b\[[\d;?<=>!]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]/g;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export function coloured(text: string): Coloured[] {
  const style: Style = { colour: undefined, bold: false, dim: false, italic: false, underline: false };
  const found: Coloured[] = [];
  let end = 0;
  const take = (until: number) => {
    if (until > end) found.push({ text: text.slice(end, until), classes: classesOf(style) });
  };
  for (const match of text.matchAll(SEQUENCE)) {
    take(match.index);
    end = match.index + match[0].length;
    if (match[1] !== undefined) apply(style, match[1]);
  }
  take(text.length);
  return found;
}

function apply(style: Style, codes: string): void {
  const numbers = codes === "" ? [0] : codes.split(";").map(Number);
  for (let index = 0; index < numbers.length; index++) {
    const code = numbers[index] ?? 0;
    if (code === 38 || code === 48) index += numbers[index + 1] === 5 ? 2 : 4;
    else set(style, code);
  }
}

function set(style: Style, code: number): void {
  if (code === 0) Object.assign(style, { colour: undefined, bold: false, dim: false, italic: false, underline: false });
  else if (code === 1) style.bold = true;
  else if (code === 2) style.dim = true;
  else if (code === 3) style.italic = true;
  else if (code === 4) style.underline = true;
  else if (code === 22) Object.assign(style, { bold: false, dim: false });
  else if (code === 23) style.italic = false;
  else if (code === 24) style.underline = false;
  else if (code === 39) style.colour = undefined;
  else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style.colour = COLOURS[code % 10];
}

function classesOf({ colour, bold, dim, italic, underline }: Style): string {
  const on = [colour && `ansi-${colour}`, bold && "ansi-bold", dim && "ansi-dim", italic && "ansi-italic", underline && "ansi-underline"];
  return on.filter(Boolean).join(" ");
}
