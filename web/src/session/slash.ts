/** Commands an agent knows, while their name is typed. Pure. */

const SHOWN_MAX = 6;

/** Those a text may be the beginning of. */
export function suggested(commands: readonly string[], text: string): string[] {
  if (!/^\/\S*$/.test(text)) return [];
  const begun = text.slice(1).toLowerCase();
  return commands.filter((command) => command.toLowerCase().startsWith(begun) && command !== text.slice(1)).slice(0, SHOWN_MAX);
}
