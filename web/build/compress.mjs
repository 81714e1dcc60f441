// Writes a compressed copy beside each file of text; the server sends it to browsers that take it.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const TEXT = /\.(html|js|css|svg|webmanifest)$/;
for (const name of readdirSync("dist", { recursive: true }).filter((name) => TEXT.test(name))) {
  writeFileSync(`dist/${name}.gz`, gzipSync(readFileSync(`dist/${name}`), { level: 9 }));
}
