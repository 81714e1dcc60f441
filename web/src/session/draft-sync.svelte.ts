/** Keeps what is typed on this device's disk at each key, and with the person's other screens at each pause. */
import type { Hlc, Project } from "../generated/protocol";
import { claimScreen } from "../handoff/screen";
import type { DraftSent } from "../outbox/entry";
import { handedOver } from "../outbox/hand-over";
import type { App } from "../state/app.svelte";
import { OwnDraft } from "./draft";
import { type Draft, draftKeyOf, EMPTY_DRAFT, heard, holdsOnly, inherited, isMissing, isSavedElsewhere, left, missed, moved, type Other, othersOf, pointOf, saved, takenOver, typed } from "./drafts";

/** A pause in typing. */
const PAUSE_MS = 700;

export class DraftSync {
  #draft = $state.raw<Draft>(EMPTY_DRAFT);
  readonly #app: App;
  readonly #own: OwnDraft;
  #project = $state.raw<Project>() as Project;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving = false;
  #loaded = false;

  constructor(app: App, project: Project) {
    this.#app = app;
    this.#project = project;
    this.#own = new OwnDraft(project.id, claimScreen());
  }

  get text(): string {
    return this.#draft.text;
  }

  /** What was typed elsewhere without knowing of this. */
  get others(): Other[] {
    return othersOf(this.#register, this.#draft, this.#app.identity.deviceId);
  }

  /** Continues with what this screen kept, or one that is gone. Keys pressed before it was read come first. */
  async load(): Promise<void> {
    await handedOver(this.#project.id);
    const kept = await this.#own.open(this.#key);
    const draft = this.#draft.unsaved ? takenOver(this.#draft, [kept], this.#key) : kept;
    this.#loaded = true;
    this.#set({ ...draft, node: draft.node ?? crypto.randomUUID() });
    this.hear();
  }

  type(text: string): void {
    this.#set(typed(this.#draft, text));
    this.#plan();
  }

  /** The project as it is now: with another conversation, its draft is another. */
  in(project: Project): void {
    this.#project = project;
    this.hear();
  }

  /** Takes what the other screens wrote, and goes on saving what they have not got. */
  hear(): void {
    if (!this.#loaded) return;
    // First where it was: what was sent from there meanwhile does not go along.
    const there = heard(this.#draft, this.#registerOf(this.#draft.key));
    if (isMissing(there, this.#registerOf(there.key))) return void this.#miss(there);
    if (isSavedElsewhere(there, this.#key) && !this.#isLive) return;
    const here = moved(there, this.#key);
    if (here !== there && here.unsaved) this.#leave(there.key, here.text);
    const next = heard(inherited(here, this.#register, this.#old), this.#register);
    if (next !== this.#draft) this.#set(next);
    if (next.unsaved) this.#plan();
  }

  /** The text that shall stand alone, by a person's decision. */
  decide(text: string): void {
    this.#set({ ...this.#draft, key: this.#key, text, base: this.#register?.version ?? this.#draft.base, unsaved: true });
    void this.#save();
  }

  /** What takes this text away where it was saved, once the server has it as sent: beside others, only what was typed here. */
  asSent(): DraftSent | undefined {
    const { key, base } = this.#draft;
    const hlc = this.#tick();
    return key === undefined || hlc === undefined ? undefined : { key, base_version: this.others.length > 0 ? 0 : base, hlc };
  }

  /** This text was sent; what was typed since and what nobody decided about is left to write. */
  sent(text: string): void {
    const rest = left(this.text, text, this.others);
    if (this.others.length > 0) return this.decide(rest);
    // A text from elsewhere that was not shown here stays.
    this.#set({ ...moved(this.#draft, this.#key), text: rest, unsaved: true });
    void this.#save();
  }

  /** What is being sent goes from the disk first. */
  stop(): void {
    clearTimeout(this.#timer);
    if (this.others.length === 0) void this.#save();
    void handedOver(this.#project.id).then(() => this.#own.close());
  }

  get #key(): string {
    return draftKeyOf(this.#project);
  }

  /** What was kept for the project before its conversations had drafts of their own. */
  get #old() {
    const key = draftKeyOf({ id: this.#project.id, session_id: null });
    return key === this.#key ? undefined : this.#registerOf(key);
  }

  get #register() {
    return this.#registerOf(this.#key);
  }

  get #isLive(): boolean {
    return this.#app.link.status.is === "live";
  }

  #registerOf(key: string | undefined) {
    return key === undefined ? undefined : this.#app.world.registers.get(key);
  }

  #set(draft: Draft): void {
    this.#draft = draft;
    void this.#own.keep(draft);
  }

  /** The point of the next write. */
  #tick(): Hlc | undefined {
    const hlc = pointOf(this.#draft, this.#register, Date.now());
    if (hlc) this.#set({ ...this.#draft, at: hlc.ms });
    return hlc;
  }

  #plan(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.others.length === 0) void this.#save();
    }, PAUSE_MS);
  }

  /** Only what is live lists all there is. What can't be asked now is, with the next connection. */
  async #miss(draft: Draft): Promise<void> {
    if (!this.#isLive || draft.key === undefined) return;
    const found = await this.#app.read(draft.key).then((register) => ({ register }), () => undefined);
    if (found === undefined || this.#draft !== draft) return;
    this.#set(missed(draft, found.register));
    this.hear();
  }

  /** What could not be saved is, with the next key or the next connection: it stays on the disk. */
  async #save(): Promise<void> {
    const { key = this.#key, text, base, unsaved } = this.#draft;
    if (this.#saving || !unsaved || !this.#isLive) return;
    const hlc = this.#tick();
    if (hlc === undefined) return;
    this.#saving = true;
    const value = text === "" ? {} : { value: text };
    const reply = await this.#app.write({ key, base_version: base, hlc, ...value }).catch(() => undefined);
    this.#saving = false;
    if (!reply || this.#draft.key !== key) return;
    this.#leave(this.#old?.key, text);
    this.#set(saved(this.#draft, text, reply.register));
    if (this.#draft.unsaved) this.#plan();
  }

  /** A text that went along is taken from where it was, if nothing else stands there. If that fails, it stays. */
  #leave(key: string | undefined, text: string): void {
    if (key === undefined || !holdsOnly(this.#app.world.registers.get(key), text)) return;
    void this.#app.write({ key }).catch(() => {});
  }
}
