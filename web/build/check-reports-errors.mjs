// The type check must be able to fail: a component with an error in it has to be reported.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";

const folder = mkdtempSync("src/checked-");
const broken = '<script lang="ts">\n  const wrong: number = "text";\n</script>\n\n{wrong}\n';
try {
  writeFileSync(`${folder}/Broken.svelte`, broken);
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ extends: "../../tsconfig.json", include: ["./Broken.svelte"], exclude: [] }));
  const check = spawnSync("npx", ["svelte-check", "--tsconfig", `${folder}/tsconfig.json`, "--output", "machine"], { encoding: "utf8" });
  if (check.status === 0 || !check.stdout.includes("Broken.svelte") || !check.stdout.includes("not assignable")) {
    console.error(`svelte-check did not report a type error that is there:\n${check.stdout}${check.stderr}`);
    process.exit(1);
  }
  console.log("svelte-check reports type errors");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
