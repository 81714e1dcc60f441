/**
 * What is told of a machine or a device, as lines to read. Pure.
 *
 * What a newer server adds (labels, tools, load) is shown where it is there, in whatever shape it comes.
 */
import type { Device, DeviceKind, RunnerState, Scope } from "../generated/protocol";
import { visible } from "../text/visible";

export interface FactLine {
  readonly name: string;
  readonly value: string;
}

const KINDS: Record<DeviceKind, string> = { console: "console", cli: "terminal", browser: "browser", editor: "editor", runner: "machine" };

export function kindWords(kind: DeviceKind): string {
  return KINDS[kind] ?? visible(kind);
}

export const SCOPES: readonly { readonly scope: Scope; readonly name: string; readonly what: string }[] = [
  { scope: "view", name: "Look", what: "see projects, sessions and the queue" },
  { scope: "approve", name: "Approve", what: "answer what agents ask" },
  { scope: "prompt", name: "Prompt", what: "send work, move and cancel it" },
  { scope: "shell", name: "Shell", what: "run plain commands where the machine allows it" },
  { scope: "admin", name: "Administer", what: "pair and throw out devices, read the audit log" },
];

export function scopeWords(scopes: readonly Scope[]): string {
  if (scopes.includes("runner")) return "works for this server, and nothing else";
  const known = SCOPES.filter(({ scope }) => scopes.includes(scope)).map(({ name }) => name.toLowerCase());
  return known.length === SCOPES.length ? "everything" : known.join(", ") || "nothing";
}

/** Gives no more than its giver has. */
export function mayGive(scope: Scope, own: readonly Scope[]): boolean {
  return own.includes(scope);
}

const GIB = 1024 ** 3;

export function bytes(count: number): string {
  return count >= GIB ? `${(count / GIB).toFixed(count < 10 * GIB ? 1 : 0)} GiB` : `${Math.round(count / 1024 ** 2)} MiB`;
}

export function runnerFacts(runner: RunnerState): FactLine[] {
  const { facts } = runner;
  if (!facts) return [];
  const more = facts as unknown as Fields;
  return present([
    ["System", `${facts.os} ${facts.arch}`],
    ["Host", facts.host],
    ["Processors", `${facts.cores}`],
    ["Memory", bytes(facts.memory_bytes)],
    ["Load", load(more["load"])],
    ["At once", facts.concurrency === 1 ? "1 command" : `${facts.concurrency} commands`],
    ["Shell lines", facts.shell ? "allowed" : "not allowed"],
    ["Directories", facts.roots.join(", ")],
    ["Tools", texts(more["tools"]).join(", ")],
    ["Sandbox", typeof more["sandbox"] === "string" ? more["sandbox"] : ""],
    ["Afield", `${facts.version}${skew((runner as unknown as Fields)["skew"])}`],
  ]);
}

export function deviceFacts(device: Device): FactLine[] {
  return present([
    ["Kind", kindWords(device.kind)],
    ["System", device.about?.system ?? ""],
    ["Version", device.about?.version ?? ""],
    ["Last from", device.last_address ?? ""],
    ["Signs in with", device.credential === "key" ? "its own key" : "a token"],
  ]);
}

type Fields = Readonly<Record<string, unknown>>;

function present(lines: [string, string][]): FactLine[] {
  return lines.filter(([, value]) => value !== "").map(([name, value]) => ({ name, value: visible(value) }));
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

function load(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  const { percent, memory_free_bytes, executing, free_slots, disk_refuses } = value as Fields;
  const parts = [
    typeof percent === "number" ? `${percent} % busy` : "",
    typeof memory_free_bytes === "number" ? `${bytes(memory_free_bytes)} free` : "",
    typeof executing === "number" ? `works on ${executing}` : "",
    typeof free_slots === "number" ? `takes ${free_slots} more` : "",
    disk_refuses === true ? "its disk takes no writes" : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function skew(value: unknown): string {
  return value === "older" || value === "newer" ? `, ${value} than the server` : "";
}
