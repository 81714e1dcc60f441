/** The places behind "More", for a device that may do this much. Pure. */
import type { Scope } from "../generated/protocol";
import type { IconName } from "../parts/icons";

export interface Place {
  readonly path: string;
  readonly icon: IconName;
  readonly name: string;
  readonly about: string;
  /** Shown only to a device that may do this. */
  readonly needs?: Scope;
}

export interface Group {
  readonly title: string;
  readonly places: readonly Place[];
}

const GROUPS: readonly Group[] = [
  {
    title: "Looking back",
    places: [
      { path: "/more/history", icon: "search", name: "History", about: "Search what was said in every project" },
      { path: "/more/audit", icon: "shield", name: "Audit log", about: "Who did what, and whether the record is whole", needs: "admin" },
    ],
  },
  {
    title: "Settings",
    places: [
      { path: "/more/notifications", icon: "bell", name: "Notifications", about: "What this device is told, and when" },
      { path: "/more/appearance", icon: "eye", name: "Appearance", about: "Colours, size of text, motion" },
      { path: "/more/defaults", icon: "sliders", name: "Defaults of projects", about: "Agent, model, when it asks", needs: "prompt" },
      { path: "/more/tokens", icon: "key", name: "Tokens", about: "Credentials for scripts and programs", needs: "admin" },
      { path: "/more/device", icon: "phone", name: "This device", about: "What it may do and keeps; leaving" },
    ],
  },
  {
    title: "About",
    places: [
      { path: "/more/health", icon: "pulse", name: "Health", about: "Server, disk and machines, measured now" },
      { path: "/more/about", icon: "sprout", name: "About Afield", about: "Versions, and whether they fit" },
    ],
  },
];

/** What a device lacks for the place at this address. */
export function lackingFor(path: string, scopes: readonly Scope[]): Scope | undefined {
  const needs = GROUPS.flatMap(({ places }) => places).find((place) => place.path === path)?.needs;
  return needs !== undefined && !scopes.includes(needs) ? needs : undefined;
}

export function groupsFor(scopes: readonly Scope[]): Group[] {
  const may = ({ needs }: Place) => needs === undefined || scopes.includes(needs);
  const allowed = GROUPS.map(({ title, places }) => ({ title, places: places.filter(may) }));
  return allowed.filter(({ places }) => places.length > 0);
}
