/** Sizes as people say them. Pure. */
const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** "0 bytes", "1.4 MB", "120 GB": with one place behind the point where that tells something. */
export function bytes(count: number): string {
  let [value, unit] = [count, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit > 0 && value < 100 ? Number(value.toFixed(1)) : Math.round(value)} ${UNITS[unit]}`;
}
