/** The real binary (`AFIELD_BIN`) with an empty data directory: server and one runner. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const READY_WITHIN_MS = 30_000;
/** What one call of the command line may print, in bytes. */
const OUTPUT_MAX = 16 * 1024 * 1024;

interface News {
  event: string;
  url?: string;
}

export class Afield {
  readonly url: string;
  /** Holds the data and the directories of projects; gone afterwards. */
  readonly folder: string;
  #process: ChildProcess;

  private constructor(url: string, folder: string, process: ChildProcess) {
    this.url = url;
    this.folder = folder;
    this.#process = process;
  }

  /** `script`: the one of `scripts/` that the stand-in for Claude plays, instead of what a prompt names. */
  static async start(script?: string): Promise<Afield> {
    const folder = await mkdtemp(join(tmpdir(), "afield-web-"));
    await writeFile(claudeIn(folder), claudeThatPlays(script), { mode: 0o755 });
    const started = spawnUp(folder, "127.0.0.1:0");
    return new Afield(await readyAt(started), folder, started);
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await ended(this.#process, "SIGKILL");
  }

  /** Starts it again at the same address with the same data. */
  async startAgain(): Promise<void> {
    this.#process = spawnUp(this.folder, new URL(this.url).host);
    await readyAt(this.#process);
  }

  /** Ends the runner and whatever it started at once, as a machine does that loses power; the server lives on. */
  async killRunner(): Promise<void> {
    const { pid } = this.#process;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    for (const child of children.split(" ").filter((one) => one !== "")) process.kill(Number(child), "SIGKILL");
  }

  async stop(): Promise<void> {
    await ended(this.#process, "SIGTERM");
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A fresh link that pairs one browser. */
  async link(): Promise<string> {
    const { link } = JSON.parse(await this.cli("link", "--json")) as { link: string };
    return link;
  }

  /** Runs the command line as its owner does. */
  async cli(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(binary(), ["--data-dir", join(this.folder, "data"), ...args], { maxBuffer: OUTPUT_MAX });
    return stdout;
  }

  async directory(name: string): Promise<string> {
    const path = join(this.folder, name);
    await mkdir(path);
    return path;
  }
}

function binary(): string {
  const path = process.env["AFIELD_BIN"];
  if (!path) throw new Error("AFIELD_BIN must name the afield binary, such as target/debug/afield");
  return path;
}

const claudeIn = (folder: string) => join(folder, "claude");

/** A program that stands in for Claude; `cargo` puts it beside the binary. */
function claudeThatPlays(script: string | undefined): string {
  const play = script === undefined ? "" : `MOCK_CLAUDE_SCRIPT='${join(import.meta.dirname, "scripts", `${script}.jsonl`)}' `;
  return `#!/bin/sh\n${play}exec '${join(dirname(binary()), "mock-claude")}' "$@"\n`;
}

function spawnUp(folder: string, listen: string): ChildProcess {
  const args = ["up", "--data-dir", join(folder, "data"), "--listen", listen, "--json"];
  return spawn(binary(), args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, HOME: folder, AFIELD_LOG__LEVEL: "warn", AFIELD_CLAUDE_PATH: claudeIn(folder) } });
}

/** Where it serves, once it says so. */
function readyAt(started: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("afield up was not ready in time")), READY_WITHIN_MS);
    started.once("exit", (code) => reject(new Error(`afield up ended with ${code}`)));
    if (!started.stdout) throw new Error("afield up has no output");
    createInterface({ input: started.stdout }).on("line", (line) => {
      const news = JSON.parse(line) as News;
      if (news.event !== "ready" || !news.url) return;
      clearTimeout(timer);
      resolve(news.url);
    });
  });
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}
