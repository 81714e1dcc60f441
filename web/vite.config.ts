import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { icons } from "./build/icons.ts";
import { shellOfWorker } from "./build/shell-of-worker.ts";

/** The service worker must keep its name: browsers know it by its address. */
const WORKER = "sw";

export default defineConfig({
  plugins: [svelte(), icons(), shellOfWorker(`${WORKER}.js`)],
  build: {
    target: ["chrome120", "firefox130", "safari17"],
    modulePreload: { polyfill: false },
    // Inlined files would be data: addresses, which the content policy refuses for all but images.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: "index.html", [WORKER]: "src/worker/sw.ts" },
      output: {
        entryFileNames: (chunk) => (chunk.name === WORKER ? "[name].js" : "assets/[name]-[hash].js"),
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:7433", "/ws": { target: "ws://127.0.0.1:7433", ws: true } } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
