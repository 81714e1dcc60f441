/** How far a stream was read, on any of the person's devices. Pure. */
import type { ProjectId } from "../generated/protocol";

/** What stood on the screen for so long counts as read. */
export const READ_AFTER_MS = 1_500;

/** The register with the number of the last event that was read. */
export function readKeyOf(projectId: ProjectId): string {
  return `read:${projectId}`;
}

export function readOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
