/** What another app shared with this one ("send to Afield"), as a prompt. Pure. */
export function shared(query: URLSearchParams): string {
  const parts = ["title", "text", "url"].map((name) => query.get(name)?.trim() ?? "");
  return [...new Set(parts.filter((part) => part !== ""))].join("\n\n");
}
