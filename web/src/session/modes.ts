/** When an agent asks, in words. Pure. */
import type { PermissionMode, Project } from "../generated/protocol";

export interface ModeWords {
  readonly mode: PermissionMode;
  readonly name: string;
  readonly words: string;
}

/** Never asking at all is left out: a runner's policy has to allow it, and it is not for a tap. */
export const PERMISSION_MODES: readonly ModeWords[] = [
  { mode: "default", name: "Asks", words: "Asks before it changes files or runs commands." },
  { mode: "acceptEdits", name: "Edits freely", words: "Edits files in the project without asking; asks before it runs commands." },
  { mode: "plan", name: "Plans", words: "Only reads, and makes a plan for you to approve." },
  { mode: "auto", name: "Judges itself", words: "Decides by itself what is safe, and asks about the rest." },
  { mode: "dontAsk", name: "Never asks", words: "Does only what its rules allow; everything else is refused." },
];

/** The mode of the next prompt: what the project says, else what the agent told last. */
export function modeOf({ settings }: Project, told: PermissionMode | undefined): PermissionMode | undefined {
  return settings.options?.permission_mode ?? told;
}

export function nameOfMode(mode: PermissionMode | undefined): string {
  if (mode === "bypassPermissions") return "No questions at all";
  return PERMISSION_MODES.find((one) => one.mode === mode)?.name ?? "Asks";
}
