/** A QR code as one path, a unit for each module. Pure. */
export function qrPath(rows: readonly (readonly boolean[])[]): string {
  return rows.map((row, y) => runs(row).map(([x, length]) => `M${x} ${y}h${length}v1h-${length}z`).join("")).join("");
}

function runs(row: readonly boolean[]): [number, number][] {
  const found: [number, number][] = [];
  let start: number | undefined;
  for (let x = 0; x <= row.length; x++) {
    if (row[x] && start === undefined) start = x;
    if (!row[x] && start !== undefined) {
      found.push([start, x - start]);
      start = undefined;
    }
  }
  return found;
}
