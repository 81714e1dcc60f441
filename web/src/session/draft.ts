/** What is being typed, kept on this device at each key: a reload loses none of it. */
import * as disk from "../disk/disk";
import type { ProjectId, ReplicaId } from "../generated/protocol";
import { type Draft, EMPTY_DRAFT, takenOver } from "./drafts";

/** Of the New screen, the same in all windows; and of projects, as an older app kept them. */
const key = (place: string) => `draft-of:${place}`;

export async function loadDraft(place: string): Promise<Draft> {
  return (await disk.get<Draft>("settings", key(place))) ?? EMPTY_DRAFT;
}

export function keepDraft(place: string, draft: Draft): Promise<void> {
  return disk.put("settings", key(place), draft);
}

/**
 * What the composer of a project keeps on this screen. It is that composer's for as long as it is
 * open, which a Web Lock of the same name says; then it is taken over by the next one that opens.
 */
export class OwnDraft {
  readonly #project: ProjectId;
  readonly #screen: Promise<ReplicaId>;
  readonly #closing: Promise<void>;
  #close: () => void = () => {};
  #name: string | undefined;

  constructor(project: ProjectId, screen: Promise<ReplicaId>) {
    this.#project = project;
    this.#screen = screen;
    this.#closing = new Promise((resolve) => (this.#close = resolve));
  }

  /** Begins with what this screen kept, and with what no open composer has. `register`: where the project's draft is. */
  async open(register: string): Promise<Draft> {
    const own = `${key(this.#project)}/${await this.#screen}`;
    void navigator.locks.request(own, () => this.#closing);
    const draft = await navigator.locks.request(`taking-over ${key(this.#project)}`, () => takeOver(this.#project, own, register));
    this.#name = own;
    return draft;
  }

  /** Nothing before it is open: what was kept is read first. */
  async keep(draft: Draft): Promise<void> {
    if (this.#name !== undefined) await disk.put("settings", this.#name, draft);
  }

  close(): void {
    this.#name = undefined;
    this.#close();
  }
}

/**
 * One at a time: it is kept in its new place before it goes from the old one. A screen that has its own leaves
 * to others what the server has: they may just be reloading.
 */
async function takeOver(project: ProjectId, own: string, register: string): Promise<Draft> {
  const kept = await disk.get<Draft>("settings", own);
  const open = await openOnes();
  const left = new Map<string, Draft>();
  for (const name of await disk.keys("settings")) {
    if (name === own || open.has(name) || !(name === key(project) || name.startsWith(`${key(project)}/`))) continue;
    const draft = await disk.get<Draft>("settings", name);
    if (draft && (draft.unsaved || kept === undefined)) left.set(name, draft);
  }
  const draft = takenOver(kept, [...left.values()], register);
  await disk.put("settings", own, draft);
  for (const name of left.keys()) await disk.remove("settings", name);
  return draft;
}

async function openOnes(): Promise<Set<string | undefined>> {
  const { held = [], pending = [] } = await navigator.locks.query();
  return new Set([...held, ...pending].map(({ name }) => name));
}
