// Refuses a build whose first load is too heavy: index.html and every script and style it names.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 120 * 1024;
const html = readFileSync("dist/index.html", "utf8");
const named = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map((found) => found[1]);
if (named.length === 0) fail("index.html names no script or style: the budget can't be checked");

const first = staticImports(named);
const size = (name) => gzipSync(readFileSync(`dist/${name}`), { level: 9 }).length;
const total = [...first].reduce((sum, name) => sum + size(name), 0);
for (const name of readdirSync("dist/assets").map((name) => `assets/${name}`)) {
  console.log(`${String(size(name)).padStart(8)}  ${name}${first.has(name) ? "  first load" : ""}`);
}
console.log(`${String(total).padStart(8)}  first load, gzip (at most ${BUDGET_BYTES})`);
if (total > BUDGET_BYTES) fail(`the first load has ${total} bytes, ${total - BUDGET_BYTES} too many: load something later`);
if (/<style|style="|<script(?![^>]*src=)|\son\w+="/.test(html)) fail("index.html holds inline script or style, which the content policy refuses");

/** The files named and all they import before anything runs; `import()` does not count. */
function staticImports(names) {
  const seen = new Set(names);
  for (const name of seen) {
    if (!name.endsWith(".js")) continue;
    const code = readFileSync(`dist/${name}`, "utf8");
    for (const [, file] of code.matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g)) seen.add(`assets/${file}`);
  }
  return seen;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
