import { readFileSync } from "node:fs";
import { Resvg } from "@resvg/resvg-js";
import type { Plugin } from "vite";

/** Systems that take no SVG: iOS for its home screen, Android and desktops for their launchers. */
const ICONS = [
  { name: "icon-180.png", from: "icon-maskable.svg", pixels: 180 },
  { name: "icon-192.png", from: "icon.svg", pixels: 192 },
  { name: "icon-512.png", from: "icon.svg", pixels: 512 },
  { name: "icon-maskable-512.png", from: "icon-maskable.svg", pixels: 512 },
];

/** Draws the icons as PNG, from the same drawings browsers get as SVG. */
export function icons(): Plugin {
  return {
    name: "afield-icons",
    apply: "build",
    generateBundle() {
      for (const { name, from, pixels } of ICONS) {
        const picture = new Resvg(readFileSync(`public/${from}`), { fitTo: { mode: "width", value: pixels } });
        this.emitFile({ type: "asset", fileName: name, source: picture.render().asPng() });
      }
    },
  };
}
