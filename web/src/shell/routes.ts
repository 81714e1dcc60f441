/**
 * Which screen an address shows. Addresses are paths, so that each can be linked to; the server
 * answers the app for the first parts listed in `sections.json`.
 *
 * A screen is added here: a pattern, and the module that is loaded when it is first shown.
 */
import type { Component } from "svelte";
import type sections from "./sections.json";

export type Section = (typeof sections)[number];
export type Parameters = Readonly<Record<string, string>>;

/** A screen may take the parts of its address. */
export type Screen = Component | Component<{ parameters: Parameters }>;

export interface Route {
  /** Parts that begin with a colon are parameters. */
  readonly pattern: string;
  /** The tab that is lit. */
  readonly section: Section;
  readonly title: string;
  readonly load: () => Promise<{ default: Screen }>;
  /** Shown beside its detail at desktop width: the list of a section. */
  readonly list?: boolean;
}

export const ROUTES: readonly Route[] = [
  { pattern: "/needs-me", section: "needs-me", title: "Needs me", load: () => import("../needs-me/NeedsMe.svelte") },
  { pattern: "/approvals/:approval", section: "needs-me", title: "Approval", load: () => import("../approvals/ApprovalScreen.svelte") },
  { pattern: "/projects", section: "projects", title: "Projects", list: true, load: () => import("../projects/Projects.svelte") },
  { pattern: "/projects/:project", section: "projects", title: "Session", load: () => import("../session/Session.svelte") },
  { pattern: "/queue", section: "queue", title: "Queue", list: true, load: () => import("../queue/Queue.svelte") },
  { pattern: "/queue/:command", section: "queue", title: "Command", load: () => import("../queue/Command.svelte") },
  { pattern: "/machines", section: "machines", title: "Machines", list: true, load: () => import("../machines/Machines.svelte") },
  { pattern: "/machines/pair", section: "machines", title: "Pair a device", load: () => import("../machines/Pairing.svelte") },
  { pattern: "/machines/pair/:pairing", section: "machines", title: "Let a device in", load: () => import("../machines/Pairing.svelte") },
  { pattern: "/machines/:device", section: "machines", title: "Device", load: () => import("../machines/Device.svelte") },
  { pattern: "/new", section: "new", title: "New", load: () => import("../new/New.svelte") },
  { pattern: "/more", section: "more", title: "More", list: true, load: () => import("../more/More.svelte") },
  { pattern: "/more/history", section: "more", title: "History", load: () => import("../more/history/History.svelte") },
  { pattern: "/more/audit", section: "more", title: "Audit log", load: () => import("../more/history/Audit.svelte") },
  { pattern: "/more/notifications", section: "more", title: "Notifications", load: () => import("../more/notifications/Notifications.svelte") },
  { pattern: "/more/appearance", section: "more", title: "Appearance", load: () => import("../more/settings/Appearance.svelte") },
  { pattern: "/more/defaults", section: "more", title: "Defaults of projects", load: () => import("../more/settings/Defaults.svelte") },
  { pattern: "/more/tokens", section: "more", title: "Tokens", load: () => import("../more/settings/Tokens.svelte") },
  { pattern: "/more/device", section: "more", title: "This device", load: () => import("../more/settings/Device.svelte") },
  { pattern: "/more/health", section: "more", title: "Health", load: () => import("../more/about/Health.svelte") },
  { pattern: "/more/about", section: "more", title: "About Afield", load: () => import("../more/about/About.svelte") },
];

/** What is shown at `/`. */
export const HOME = "/projects";

export interface Match {
  readonly route: Route;
  readonly parameters: Parameters;
}

export function match(path: string, routes: readonly Route[] = ROUTES): Match | undefined {
  for (const route of routes) {
    const parameters = parametersOf(route.pattern, path === "/" ? HOME : path);
    if (parameters) return { route, parameters };
  }
  return undefined;
}

/** The list that stands beside a detail of its section. */
export function listOf(section: Section, routes: readonly Route[] = ROUTES): Route | undefined {
  return routes.find((route) => route.section === section && route.list);
}

function parametersOf(pattern: string, path: string): Parameters | undefined {
  const [wanted, found] = [parts(pattern), parts(path)];
  if (wanted.length !== found.length) return undefined;
  const named: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = found[index] ?? "";
    const name = part.startsWith(":") ? decoded(value) : undefined;
    if (name !== undefined) named[part.slice(1)] = name;
    else if (part !== value) return undefined;
  }
  return named;
}

/** Nothing for what no address was ever encoded to. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}
