/** What a close code asks for. Codes of the application are 4000 and up (docs/PROTOCOL.md, Codes). */

export type Closing =
  /** Come back, as after any lost connection. */
  | { readonly then: "again"; readonly inMs?: number }
  /** The server won't have us: a person has to do something. */
  | { readonly then: "never"; readonly code: "UNAUTHORIZED" | "FORBIDDEN" | "PROTOCOL_MISMATCH" };

const TERMINAL = new Map<number, "UNAUTHORIZED" | "FORBIDDEN" | "PROTOCOL_MISMATCH">([
  [4401, "UNAUTHORIZED"],
  [4403, "FORBIDDEN"],
  [4422, "PROTOCOL_MISMATCH"],
]);

const SERVICE_RESTART = 1012;

export function closing(code: number, reason: string): Closing {
  const terminal = TERMINAL.get(code);
  if (terminal !== undefined) return { then: "never", code: terminal };
  if (code !== SERVICE_RESTART) return { then: "again" };
  const inMs = retryIn(reason);
  return inMs === undefined ? { then: "again" } : { then: "again", inMs };
}

function retryIn(reason: string): number | undefined {
  try {
    const told = (JSON.parse(reason) as { retry_in_ms?: unknown }).retry_in_ms;
    return typeof told === "number" && told >= 0 ? told : undefined;
  } catch {
    return undefined;
  }
}
