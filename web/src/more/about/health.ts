/** What was measured, as names and values for people. Pure. */
import type { HealthCheck, HealthStatus, RunnerLinkHealth } from "../../generated/protocol";
import { bytes } from "../settings/storage";

export const TONES = { ok: "good", degraded: "warn", failed: "bad" } as const;
export const WORDS: Record<HealthStatus, string> = { ok: "all is well", degraded: "something is not well", failed: "something failed" };

export function serverFacts(health: HealthCheck): [string, string][] {
  return [
    ["Version", health.version],
    ["Processor", percent(health.cpu)],
    ["Memory", `${bytes(health.memory_used_bytes)} of ${bytes(health.memory_total_bytes)}`],
    ["Free on disk", bytes(health.disk_free_bytes)],
  ];
}

export function storeFacts({ store }: HealthCheck): [string, string][] {
  return [
    ["Database", store.engine],
    ["One write, until on disk", `${store.write_ms.toFixed(1)} ms`],
    ["Damaged parts set aside", String(store.damaged)],
  ];
}

export function runnerFacts({ round_trip_ms: ms, agents }: RunnerLinkHealth): [string, string][] {
  const able = agents.filter((one) => one.available).map(({ agent, version }) => (version ? `${agent} ${version}` : agent));
  return [
    ["There and back", ms === undefined ? "no answer" : `${Math.round(ms)} ms`],
    ["Agents", able.join(", ") || "none"],
  ];
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
