/** How far a conversation was read, on any of the person's devices. Pure. */
import type { Project, StateRegister } from "../generated/protocol";

/** What stood on the screen for so long counts as read. */
export const READ_AFTER_MS = 1_500;

type Registers = ReadonlyMap<string, StateRegister>;
type Place = Pick<Project, "id" | "session_id">;

/** The register with the number of the last event that was read. */
export function readKeyOf({ id, session_id }: Place): string {
  return `read:${session_id ?? id}`;
}

/** The register from when markers belonged to projects: it counts until there is a marker of the conversation. */
export function oldReadKeyOf(place: Place): string | undefined {
  return place.session_id ? `read:${place.id}` : undefined;
}

export function readTo(registers: Registers, place: Place): number | undefined {
  const of = (key: string | undefined) => (key === undefined ? undefined : numberOf(registers.get(key)?.value));
  return of(readKeyOf(place)) ?? of(oldReadKeyOf(place));
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
