/** The real binary (`AFIELD_BIN`) with an empty data directory: a server with its own runner, or one that runners come to. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
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

/** `up`: with a runner that lives and dies with it. `server`: alone. */
export type Kind = "up" | "server";

export class Afield {
  readonly url: string;
  /** Holds the data and the directories of projects; gone afterwards. */
  readonly folder: string;
  readonly #kind: Kind;
  #process: ChildProcess;
  #runner: ChildProcess | undefined;

  private constructor(url: string, folder: string, kind: Kind, process: ChildProcess) {
    this.url = url;
    this.folder = folder;
    this.#kind = kind;
    this.#process = process;
  }

  /** `script`: the one of `scripts/` that the stand-in for Claude plays, instead of what a prompt names. */
  static async start(kind: Kind = "up", script?: string): Promise<Afield> {
    const folder = await mkdtemp(join(tmpdir(), "afield-web-"));
    await writeFile(claudeIn(folder), claudeThatPlays(script), { mode: 0o755 });
    const started = spawnServer(kind, folder, "127.0.0.1:0");
    return new Afield(await readyAt(started), folder, kind, started);
  }

  /** A runner that goes on when the server does not. Resolves when the server has heard it. */
  async startRunner(name: string): Promise<void> {
    const tokenFile = join(this.folder, `${name}.token`);
    if (!existsSync(tokenFile)) await writeFile(tokenFile, await this.#runnerToken(name), { mode: 0o600 });
    const args = ["runner", "--data-dir", join(this.folder, name), "--server", this.url, "--token-file", tokenFile, "--name", name];
    this.#runner = spawn(binary(), args, { stdio: ["ignore", "ignore", "inherit"], env: environment(this.folder) });
    await this.#heard();
  }

  async #runnerToken(name: string): Promise<string> {
    const made = await this.cli("token", "create", "--name", name, "--scopes", "runner", "--json");
    return (JSON.parse(made) as { token: string }).token;
  }

  async #heard(): Promise<void> {
    const until = Date.now() + READY_WITHIN_MS;
    while (Date.now() < until) {
      const { runners } = JSON.parse(await this.cli("health", "--json")) as { runners: { online: boolean }[] };
      if (runners.some(({ online }) => online)) return;
    }
    throw new Error("the runner did not come in time");
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await ended(this.#process, "SIGKILL");
  }

  /** Starts it again at the same address with the same data. */
  async startAgain(): Promise<void> {
    this.#process = spawnServer(this.#kind, this.folder, new URL(this.url).host);
    await readyAt(this.#process);
  }

  /** Ends the runner and whatever it started at once, as a machine does that loses power; the server lives on. */
  async killRunner(): Promise<void> {
    if (this.#runner) return ended(this.#runner, "SIGKILL");
    const { pid } = this.#process;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    for (const child of children.split(" ").filter((one) => one !== "")) process.kill(Number(child), "SIGKILL");
  }

  async stop(): Promise<void> {
    if (this.#runner) await ended(this.#runner, "SIGTERM");
    await ended(this.#process, "SIGTERM");
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A fresh link that pairs one browser, for these scopes instead of all. */
  async link(...scopes: string[]): Promise<string> {
    const fewer = scopes.length === 0 ? [] : ["--scopes", scopes.join(",")];
    const { link } = JSON.parse(await this.cli("link", ...fewer, "--json")) as { link: string };
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

function spawnServer(kind: Kind, folder: string, listen: string): ChildProcess {
  const args = [kind, "--data-dir", join(folder, "data"), "--listen", listen, "--json"];
  return spawn(binary(), args, { stdio: ["ignore", "pipe", "inherit"], env: environment(folder) });
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, HOME: folder, AFIELD_LOG__LEVEL: "warn", AFIELD_CLAUDE_PATH: claudeIn(folder) };
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
