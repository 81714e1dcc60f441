import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { icons } from "./build/icons.ts";
import { shellOfWorker } from "./build/shell-of-worker.ts";

/** The service worker must keep its name: browsers know it by its address. */
const WORKER = "sw";

/** Tests that give what browsers have to the whole process, or wind its clock. */
const ALONE = ["attachments/chosen", "attachments/kept", "disk/disk", "identity/identity", "link/link", "new/shared", "outbox/outbox", "session/draft"].map((name) => `src/${name}.test.ts`);

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
  test: {
    environment: "node",
    projects: [
      { extends: true, test: { name: "alone", include: ALONE } },
      // Starting a process for each of these costs many times what they do.
      { extends: true, test: { name: "together", include: ["src/**/*.test.ts"], exclude: ALONE, isolate: false } },
    ],
  },
});
