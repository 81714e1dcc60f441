/** Whether a device is there, in one word and with its evidence. Pure. */
import type { Device, DeviceId, DevicePresence, Presence } from "../generated/protocol";
import { age, span } from "../text/age";
import type { World } from "../state/world";

export interface Standing {
  readonly word: Presence | "unknown";
  readonly tone: "good" | "warn" | "calm" | "bad";
  /** How that is known. */
  readonly evidence: string;
}

const TONES = { online: "good", stale: "warn", away: "calm", asleep: "calm", revoked: "bad", unknown: "calm" } as const;

/** `live`: there is a connection; without it only the past is known. */
export function standing(id: DeviceId, world: World, live: boolean, now: number): Standing {
  const device = world.devices.get(id);
  const told = world.presence.get(id);
  const word = device?.revoked_at === undefined ? (told?.presence ?? runnerWord(id, world) ?? device?.presence ?? "unknown") : "revoked";
  const tone = live ? TONES[word] : "calm";
  return { word, tone, evidence: evidence(word, told, device, now, live) };
}

function runnerWord(id: DeviceId, { runners }: World): Presence | undefined {
  const runner = runners.get(id);
  return runner && (runner.online ? "online" : "away");
}

function evidence(word: Standing["word"], told: DevicePresence | undefined, device: Device | undefined, now: number, live: boolean): string {
  const was = live ? "" : "when last connected: ";
  if (word === "revoked" && device?.revoked_at !== undefined) return `thrown out ${age(Date.parse(device.revoked_at), now)}`;
  if ((word === "online" || word === "stale") && told !== undefined) return `${was}${silence(told)}${told.connections > 1 ? `, ${told.connections} connections` : ""}`;
  const seen = device?.last_seen_at;
  if (seen === undefined) return "never connected";
  const said = word === "asleep" ? "said that it sleeps, " : "";
  return `${was}${said}last heard ${age(Date.parse(seen), now)}`;
}

function silence({ silent_ms, presence }: DevicePresence): string {
  if (silent_ms === undefined) return "connected";
  const seconds = Math.round(silent_ms / 1000);
  return presence === "stale" ? `connected, but silent for ${span(seconds)}` : "connected";
}
