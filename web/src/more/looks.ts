/** What of the app's looks a person chooses. Pure. */

export const THEMES = [
  ["system", "As the device"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;
export const TEXTS = [
  ["normal", "Normal"],
  ["large", "Large"],
  ["larger", "Larger"],
] as const;
export const MOTIONS = [
  ["system", "As the device"],
  ["reduced", "Reduced"],
] as const;

export interface Looks {
  readonly theme: (typeof THEMES)[number][0];
  readonly text: (typeof TEXTS)[number][0];
  readonly motion: (typeof MOTIONS)[number][0];
}

/** What was kept; anything that is none of the choices is the default. */
export function looksFrom(kept: string | undefined): Looks {
  const found = parsed(kept);
  return { theme: chosen(THEMES, found["theme"]), text: chosen(TEXTS, found["text"]), motion: chosen(MOTIONS, found["motion"]) };
}

function chosen<T extends string>(options: readonly (readonly [T, string])[], wanted: unknown): T {
  return (options.find(([option]) => option === wanted) ?? options[0])?.[0] as T;
}

function parsed(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
