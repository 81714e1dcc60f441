/** The message an address leads to: `?at=` and its number. Pure. */
export function placeOf(query: URLSearchParams): number | undefined {
  const text = query.get("at") ?? "";
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}
