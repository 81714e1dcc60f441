import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Plugin } from "vite";

/** What `src/worker/sw.ts` holds in place of the list and the name of this build. */
const SHELL = "__AFIELD_SHELL__";
const BUILD = "__AFIELD_BUILD__";

/** Tells the service worker which files make up the app, and a name that changes with any of them. */
export function shellOfWorker(worker: string): Plugin {
  return {
    name: "afield-shell-of-worker",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const hash = createHash("sha256");
        for (const [name, file] of Object.entries(bundle)) hash.update(name).update(file.type === "chunk" ? file.code : file.source);
        for (const name of publicFiles()) hash.update(name).update(readFileSync(`public/${name}`));
        const files = [...Object.keys(bundle), ...publicFiles()].filter((name) => name !== worker && name !== "index.html");
        const shell = ["/", ...files.map((name) => `/${name}`)].sort();
        const chunk = bundle[worker];
        if (chunk?.type !== "chunk") throw new Error(`${worker} is not part of the build`);
        chunk.code = chunk.code.replace(SHELL, shell.join("\\n")).replace(BUILD, hash.digest("hex").slice(0, 16));
      },
    },
  };
}

function publicFiles(): string[] {
  return readdirSync("public");
}
