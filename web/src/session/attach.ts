/** Files as parts of a prompt. Texts go into it, fenced; other kinds are refused with the reason. Pure but for reading. */

/** A prompt has a limit of 1 MiB with everything around it. */
export const ATTACHED_BYTES_MAX = 256 * 1024;

export async function attached(file: File): Promise<string> {
  if (file.size > ATTACHED_BYTES_MAX) throw new Error(`${file.name} has ${file.size} bytes; at most ${ATTACHED_BYTES_MAX} fit into a prompt. Put it into the project and name its path`);
  const text = await file.text();
  if (isBinary(text)) throw new Error(`${file.name} is no text. Put it into the project and name its path`);
  return fenced(file.name, text);
}

/** The text between fences longer than any inside it. */
export function fenced(name: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${name.replace(/\s+/g, " ")}:\n${fence}\n${text.replace(/\n$/, "")}\n${fence}\n`;
}

/** What was written, then what is attached. */
export function withAttached(prompt: string, part: string): string {
  return prompt.trim() === "" ? part : `${prompt.trimEnd()}\n\n${part}`;
}

function isBinary(text: string): boolean {
  return text.includes("\u0000") || text.includes("\ufffd");
}
