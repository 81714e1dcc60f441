/** Which rows of a long list are drawn, from their measured or expected heights. Pure. */

export interface Drawn {
  readonly first: number;
  /** One behind the last. */
  readonly end: number;
  /** Heights of what is not drawn. */
  readonly above: number;
  readonly below: number;
}

/** Where each row begins; one more entry than rows, the last is the height of all. */
export function offsets(keys: readonly string[], heights: ReadonlyMap<string, number>, expected: number): Float64Array {
  const starts = new Float64Array(keys.length + 1);
  for (let index = 0; index < keys.length; index++) {
    starts[index + 1] = (starts[index] ?? 0) + (heights.get(keys[index] ?? "") ?? expected);
  }
  return starts;
}

/** The row that covers `y`. */
export function rowAt(starts: Float64Array, y: number): number {
  let [low, high] = [0, Math.max(starts.length - 2, 0)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function drawn(starts: Float64Array, top: number, height: number, margin: number): Drawn {
  const count = starts.length - 1;
  if (count <= 0) return { first: 0, end: 0, above: 0, below: 0 };
  const first = rowAt(starts, Math.max(top - margin, 0));
  const end = Math.min(rowAt(starts, top + height + margin) + 1, count);
  return { first, end, above: starts[first] ?? 0, below: (starts[count] ?? 0) - (starts[end] ?? 0) };
}
