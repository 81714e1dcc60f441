/** From the settings of a project to a form and back. What the form does not show stays as it is. Pure. */
import type { AgentKind, ExecuteOptions, PermissionMode, ProjectSettings } from "../../generated/protocol";

export const AGENTS: readonly (readonly [AgentKind | "", string])[] = [
  ["", "Claude (when nothing is chosen)"],
  ["claude", "Claude"],
  ["command", "Plain commands"],
  ["demo", "Demo"],
];

export const MODES: readonly { readonly mode: PermissionMode | ""; readonly label: string; readonly about: string }[] = [
  { mode: "", label: "As the agent is set up", about: "What the agent's own settings say." },
  { mode: "default", label: "Ask", about: "Asks before it changes or runs something." },
  { mode: "acceptEdits", label: "Edit freely", about: "Edits files without asking; asks before it runs something." },
  { mode: "plan", label: "Plan only", about: "Looks and plans; changes nothing." },
  { mode: "auto", label: "Automatic", about: "The agent judges by itself when to ask." },
  { mode: "dontAsk", label: "Refuse instead of asking", about: "What would need a question is refused." },
  { mode: "bypassPermissions", label: "Never ask", about: "Everything is allowed, where the machine's policy lets it." },
];

export interface Draft {
  name: string;
  agent: AgentKind | "";
  model: string;
  mode: PermissionMode | "";
}

export function draftOf({ name, agent, options }: ProjectSettings): Draft {
  return { name: name ?? "", agent: agent ?? "", model: options?.model ?? "", mode: options?.permission_mode ?? "" };
}

export function settingsOf(before: ProjectSettings, { name, agent, model, mode }: Draft): ProjectSettings {
  const { name: _name, agent: _agent, options: old, ...rest } = before;
  const { model: _model, permission_mode: _mode, ...others } = old ?? ({} as Partial<ExecuteOptions>);
  const options = { ...others, ...(model.trim() && { model: model.trim() }), ...(mode && { permission_mode: mode }) };
  return {
    ...rest,
    ...(name.trim() && { name: name.trim() }),
    ...(agent && { agent }),
    ...(Object.keys(options).length > 0 && { options: options as ExecuteOptions }),
  };
}

export function isChanged(settings: ProjectSettings, draft: Draft): boolean {
  const [before, after] = [draftOf(settings), draft];
  return before.name !== after.name.trim() || before.agent !== after.agent || before.model !== after.model.trim() || before.mode !== after.mode;
}
