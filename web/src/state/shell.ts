/** What the server takes only from devices with the scope `shell`, so that nothing is offered that it refuses. Pure. */
import type { AgentKind, PermissionMode, ProjectSettings, Scope } from "../generated/protocol";

/** Beside a choice that is not this device's. */
export const NEEDS_SHELL = "needs the scope shell";
export const LACKS_SHELL = "Plain commands, and agents that never ask, need the scope shell: this device lacks it.";

/** What work names, or would if it were chosen; empty for nothing. */
interface Named {
  readonly agent?: AgentKind | "" | undefined;
  readonly mode?: PermissionMode | "" | undefined;
}

/** Whether it is refused. The mode a project has is granted to everybody who may send prompts there. */
export function lacksShell({ agent, mode }: Named, scopes: readonly Scope[], granted: ProjectSettings = {}): boolean {
  const neverAsks = mode === "bypassPermissions" && granted.options?.permission_mode !== mode;
  return (agent === "command" || neverAsks) && !scopes.includes("shell");
}
