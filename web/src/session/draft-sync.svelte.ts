/** Keeps what is typed on this device's disk at each key, and with the person's other devices at each pause. */
import type { ProjectId } from "../generated/protocol";
import type { App } from "../state/app.svelte";
import { keepDraft, loadDraft } from "./draft";
import { type Draft, draftKeyOf, EMPTY_DRAFT, heard, left, type Other, othersOf, saved, typed } from "./drafts";

/** A pause in typing. */
const PAUSE_MS = 700;

export class DraftSync {
  #draft = $state.raw<Draft>(EMPTY_DRAFT);
  readonly #app: App;
  readonly #projectId: ProjectId;
  readonly #key: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving = false;
  #loaded = false;

  constructor(app: App, projectId: ProjectId) {
    this.#app = app;
    this.#projectId = projectId;
    this.#key = draftKeyOf(projectId);
  }

  get text(): string {
    return this.#draft.text;
  }

  /** What was typed elsewhere without knowing of this. */
  get others(): Other[] {
    return othersOf(this.#register, this.text, this.#app.identity.deviceId);
  }

  /** Continues with what this device kept. Keys pressed before it was read come first. */
  async load(): Promise<void> {
    const kept = await loadDraft(this.#projectId);
    if (!this.#draft.unsaved) this.#draft = kept;
    this.#loaded = true;
    this.hear();
  }

  type(text: string): void {
    this.#set(typed(this.#draft, text));
    this.#plan();
  }

  /** Takes what the other devices wrote, and goes on saving what they have not got. */
  hear(): void {
    if (!this.#loaded) return;
    const next = heard(this.#draft, this.#register);
    if (next !== this.#draft) this.#set(next);
    if (next.unsaved) this.#plan();
  }

  /** The text that shall stand alone, by a person's decision. */
  decide(text: string): void {
    this.#set({ text, base: this.#register?.version ?? this.#draft.base, unsaved: true });
    void this.#save();
  }

  /** The text was sent; what nobody decided about is left to write. */
  sent(): void {
    this.decide(left(this.others));
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (this.others.length === 0) void this.#save();
  }

  get #register() {
    return this.#app.world.registers.get(this.#key);
  }

  #set(draft: Draft): void {
    this.#draft = draft;
    void keepDraft(this.#projectId, draft);
  }

  #plan(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.others.length === 0) void this.#save();
    }, PAUSE_MS);
  }

  /** What could not be saved is, with the next key or the next connection: it stays on the disk. */
  async #save(): Promise<void> {
    const { text, base, unsaved } = this.#draft;
    if (this.#saving || !unsaved || this.#app.link.status.is !== "live") return;
    this.#saving = true;
    const value = text === "" ? {} : { value: text };
    const reply = await this.#app.write({ key: this.#key, base_version: base, ...value }).catch(() => undefined);
    this.#saving = false;
    if (!reply) return;
    this.#set(saved(this.#draft, text, reply.register));
    if (this.#draft.unsaved) this.#plan();
  }
}
