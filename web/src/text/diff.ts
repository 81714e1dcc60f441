/** What changed between two texts, line by line. Pure; loaded when first needed. */

export interface DiffLine {
  readonly is: "same" | "added" | "removed";
  readonly text: string;
}

/** Lines that did not change and are left out of the picture. */
export interface Skipped {
  readonly is: "skipped";
  readonly lines: number;
}

/** Comparing every line with every other is done up to this many pairs; beyond, all old ones go and all new ones come. */
const PAIRS_MAX = 1_000_000;
/** Unchanged lines shown around a change. */
const CONTEXT = 3;

export function diffLines(before: string, after: string): DiffLine[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  let first = 0;
  while (first < old.length && first < fresh.length && old[first] === fresh[first]) first++;
  let last = 0;
  while (last < old.length - first && last < fresh.length - first && old.at(-1 - last) === fresh.at(-1 - last)) last++;
  return [
    ...marked("same", old.slice(0, first)),
    ...middle(old.slice(first, old.length - last), fresh.slice(first, fresh.length - last)),
    ...marked("same", old.slice(old.length - last)),
  ];
}

/** The changes with a little of what stands around them. */
export function folded(lines: readonly DiffLine[]): (DiffLine | Skipped)[] {
  const near = new Uint8Array(lines.length);
  for (const [index, line] of lines.entries()) {
    if (line.is !== "same") near.fill(1, Math.max(index - CONTEXT, 0), index + CONTEXT + 1);
  }
  const shown: (DiffLine | Skipped)[] = [];
  for (const [index, line] of lines.entries()) {
    const previous = shown.at(-1);
    if (near[index]) shown.push(line);
    else if (previous?.is === "skipped") shown[shown.length - 1] = { is: "skipped", lines: previous.lines + 1 };
    else shown.push({ is: "skipped", lines: 1 });
  }
  return shown;
}

export interface Size {
  readonly added: number;
  readonly removed: number;
}

export function sizeOf(lines: readonly DiffLine[]): Size {
  const count = (is: DiffLine["is"]) => lines.filter((line) => line.is === is).length;
  return { added: count("added"), removed: count("removed") };
}

/** A line break at the end ends the last line; it begins no new one. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

function middle(old: readonly string[], fresh: readonly string[]): DiffLine[] {
  if (old.length * fresh.length > PAIRS_MAX) return [...marked("removed", old), ...marked("added", fresh)];
  const common = commonLengths(old, fresh);
  const width = fresh.length + 1;
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < fresh.length) {
    if (old[i] === fresh[j]) {
      found.push({ is: "same", text: old[i] ?? "" });
      i++;
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) found.push({ is: "removed", text: old[i++] ?? "" });
    else found.push({ is: "added", text: fresh[j++] ?? "" });
  }
  return [...found, ...marked("removed", old.slice(i)), ...marked("added", fresh.slice(j))];
}

/** For each pair of positions, how many lines both have in common from there on, in order. */
function commonLengths(old: readonly string[], fresh: readonly string[]): Uint32Array {
  const width = fresh.length + 1;
  const lengths = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      const down = lengths[(i + 1) * width + j] ?? 0;
      const right = lengths[i * width + j + 1] ?? 0;
      lengths[i * width + j] = old[i] === fresh[j] ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(down, right);
    }
  }
  return lengths;
}

function marked(is: DiffLine["is"], lines: readonly string[]): DiffLine[] {
  return lines.map((text) => ({ is, text }));
}
