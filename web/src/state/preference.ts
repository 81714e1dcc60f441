/** What a device starts with when nothing else is said: its register `pref:device/<id>`. Pure. */
import type { AgentKind, DeviceId, DevicePreference, Project, StateRegister } from "../generated/protocol";

export function preferenceKeyOf(id: DeviceId): string {
  return `pref:device/${id}`;
}

const AGENTS: readonly AgentKind[] = ["claude", "demo", "command"];

/** Any version wrote it: what can't be read is not preferred. */
export function preferenceOf(register: StateRegister | undefined): DevicePreference {
  const value = register?.value;
  if (typeof value !== "object" || value === null) return {};
  const { project_id, agent } = value as Readonly<Record<string, unknown>>;
  const known = AGENTS.find((one) => one === agent);
  return { ...(typeof project_id === "string" && { project_id }), ...(known && { agent: known }) };
}

/** What is written: nothing where nothing is preferred. */
export function valueOf({ project_id, agent }: DevicePreference): { readonly value?: DevicePreference } {
  return project_id === undefined && agent === undefined ? {} : { value: { ...(project_id !== undefined && { project_id }), ...(agent && { agent }) } };
}

/** Who works in a project when nobody is named. */
export function agentIn(project: Project | undefined, preferred: DevicePreference): AgentKind | undefined {
  return project?.settings.agent ?? preferred.agent;
}
