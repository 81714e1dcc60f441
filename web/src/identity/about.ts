/** What this browser says about itself when it is paired. Pure. */
import type { Myself } from "./pair";

const BROWSERS: [string, RegExp][] = [
  ["Edge", /Edg\/(\d+)/],
  ["Firefox", /(?:Firefox|FxiOS)\/(\d+)/],
  ["Chrome", /(?:Chrome|CriOS)\/(\d+)/],
  ["Safari", /Version\/(\d+).*Safari/],
];
const SYSTEMS: [string, RegExp][] = [
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Android", /Android/],
  ["Windows", /Windows/],
  ["macOS", /Mac OS X/],
  ["Linux", /Linux/],
];

export function about(userAgent: string): Myself {
  const system = SYSTEMS.find(([, pattern]) => pattern.test(userAgent))?.[0] ?? "unknown system";
  const browser = BROWSERS.find(([, pattern]) => pattern.test(userAgent));
  const version = browser?.[1].exec(userAgent)?.[1] ?? "";
  return { name: `${browser?.[0] ?? "Browser"} on ${system}`, system, version: browser ? `${browser[0]} ${version}` : "" };
}
