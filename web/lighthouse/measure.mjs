// Measures the built app, served by the real binary (AFIELD_BIN), on Lighthouse's slow 4G phone; fails below
// what the app promises. What is measured is the first page of a browser that is not paired. Chromium: AFIELD_CHROMIUM, or Debian's.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as launcher from "chrome-launcher";
import lighthouse from "lighthouse";

const LEAST = { performance: 95, accessibility: 100, "best-practices": 100 };
const INTERACTIVE_MAX_MS = 2_000;

const folder = mkdtempSync(join(tmpdir(), "afield-lighthouse-"));
const server = spawn(binary(), ["server", "--data-dir", folder, "--listen", "127.0.0.1:0", "--json"], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, AFIELD_LOG__LEVEL: "warn" },
});
const chrome = await launcher.launch({ chromePath: process.env.AFIELD_CHROMIUM ?? "/usr/bin/chromium", chromeFlags: ["--headless=new", "--no-sandbox"] });
try {
  const { lhr, report } = await lighthouse(await address(), { port: chrome.port, output: "html", onlyCategories: Object.keys(LEAST) });
  mkdirSync("dist", { recursive: true });
  writeFileSync("dist/report.html", report);
  process.exitCode = say(lhr) ? 0 : 1;
} finally {
  chrome.kill();
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("exit", resolve));
  rmSync(folder, { recursive: true, force: true });
}

/** Prints each figure; false if one is not as good as promised. */
function say({ categories, audits }) {
  const interactive = Math.round(audits.interactive.numericValue);
  console.log(`${interactive <= INTERACTIVE_MAX_MS ? "ok  " : "FAIL"} interactive after ${interactive} ms (at most ${INTERACTIVE_MAX_MS})`);
  const scores = Object.entries(LEAST).map(([name, least]) => {
    const score = Math.round(categories[name].score * 100);
    console.log(`${score >= least ? "ok  " : "FAIL"} ${name} ${score} (at least ${least})`);
    for (const { id } of categories[name].auditRefs.filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 0.9)) console.log(`     ${id}: ${audits[id].displayValue ?? audits[id].title}`);
    return score >= least;
  });
  return interactive <= INTERACTIVE_MAX_MS && scores.every(Boolean);
}

/** Where it serves, once it says so. */
function address() {
  return new Promise((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: server.stdout }).on("line", (line) => {
      const news = JSON.parse(line);
      if (news.event === "ready") resolve(news.url);
    });
  });
}

function binary() {
  const path = process.env.AFIELD_BIN;
  if (!path) throw new Error("AFIELD_BIN must name the afield binary, such as target/debug/afield");
  return path;
}
