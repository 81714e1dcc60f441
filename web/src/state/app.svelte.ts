/**
 * The app's one state: what is known, the link it comes through, and what waits to be sent.
 *
 * Screens read its fields and call its methods; nothing else talks to link, outbox or disk.
 */
import { forgetFilesExcept } from "../attachments/kept";
import type { Command, Handoff, Project, ProjectId, Scope, StateRegister } from "../generated/protocol";
import { type Identity, Prover } from "../identity/identity";
import { dial } from "../link/dial";
import { Link, type Listener } from "../link/link";
import { isUp, type LinkState } from "../link/status";
import { wake } from "../link/wake";
import type { Ask, Reply, RequestName, TopicEvent } from "../link/wire";
import { download, upload } from "../identity/rest";
import type { DraftSent, Entry, LocalFile } from "../outbox/entry";
import { Outbox } from "../outbox/outbox";
import { Blobs } from "./blobs";
import { askLists, askShared, askTopics, latest } from "./catch-up";
import { Frames } from "./frames";
import { keepSnapshot, loadSnapshot } from "./snapshot";
import type { Span } from "./spans";
import { NOTHING, oldest, type PageAsk, type Transcript, withEvents, withoutSpan, withPage } from "./transcript";
import { EMPTY, fold, type MapName, oneLine, type Queue, replace, replaceRegisters, subject, withLastLine, withHandoff, withoutLine, withRegisters, type World } from "./world";

const PAGE_MESSAGES = 100;
/** Projects whose last line is asked for at the start. */
const LINES_ASKED = 30;
const SNAPSHOT_EVERY_MS = 10_000;

export class App {
  world = $state.raw<World>(EMPTY);
  link = $state.raw<LinkState>({ status: { is: "reconnecting", since: Date.now(), tries: 0 } });
  outbox = $state.raw<Entry[]>([]);
  /** What is on its way to the server right now: of which entry, and how much of the file went. */
  uploading = $state.raw<{ readonly key: string; readonly name: string; readonly part: number }>();
  /** When what is shown was last confirmed, by a connection of this page or an earlier one. */
  knownAt = $state<number>();
  /** Whether `world` holds anything true: from the disk, or from the server. */
  loaded = $state(false);

  readonly identity: Identity;
  readonly #prover: Prover;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #blobs = new Blobs((hash) => download(this.#prover, hash));
  readonly #frames = new Frames((events) => this.#fold(events));
  #transcripts = $state.raw<ReadonlyMap<ProjectId, Transcript>>(new Map());
  #touched: Map<MapName, Set<string>> | undefined;
  /** The last lines are this page's own, not those of the snapshot. */
  #linesAsked = false;
  /** What was told of projects whose first page is on its way: it may overtake the page, and is not in it. */
  readonly #early = new Map<ProjectId, TopicEvent[]>();
  #reloaded: Promise<void> = Promise.resolve();
  #planned: Promise<void> | undefined;
  #stopWaking: () => void = () => {};
  #snapshots: ReturnType<typeof setInterval> | undefined;

  constructor(identity: Identity) {
    this.identity = identity;
    this.#prover = new Prover(identity);
    const around = {
      dial: (afresh: boolean) => dial(this.#prover, afresh),
      now: () => Date.now(),
      random: () => Math.random(),
      hasNetwork: () => navigator.onLine,
      isWatched: () => document.visibilityState === "visible",
    };
    this.#link = new Link(around, this.#listener());
    const sender = {
      isUp: () => isUp(this.link.status),
      submit: (ask: Ask<"command_submit">) => this.#submit(ask),
      upload: (entry: Entry, file: LocalFile) => this.#upload(entry, file),
      forget: (draft: DraftSent) => this.#forget(draft),
    };
    this.#outbox = new Outbox(sender, (entries) => (this.outbox = entries));
  }

  /** What this device may do, as the server said last. */
  get scopes(): readonly Scope[] {
    return this.world.devices.get(this.identity.deviceId)?.scopes ?? this.identity.scopes;
  }

  /** Shows what was known, then connects. */
  async start(): Promise<void> {
    const known = await loadSnapshot();
    if (known) {
      this.world = known.world;
      this.#transcripts = known.transcripts;
      this.knownAt = known.heardAt;
      this.loaded = true;
    }
    await this.#outbox.refresh();
    this.#stopWaking = wake(this.#link);
    this.#snapshots = setInterval(() => void this.#keep(), SNAPSHOT_EVERY_MS);
    addEventListener("pagehide", this.#keep);
    // A phone may end a page that is not looked at, without a word.
    document.addEventListener("visibilitychange", this.#keep);
    this.#link.start();
  }

  stop(): void {
    removeEventListener("pagehide", this.#keep);
    document.removeEventListener("visibilitychange", this.#keep);
    clearInterval(this.#snapshots);
    this.#stopWaking();
    this.#link.stop();
    this.#outbox.close();
  }

  /**
   * Asks the server; waits a while for a connection that is on its way.
   *
   * **Errors**: `Refusal`; `NotConnected`; `LinkLost` when it is not known what became of it.
   */
  async request<K extends RequestName>(type: K, data: Ask<K> = {}): Promise<Reply<K>> {
    await this.#link.ready();
    return this.#link.request(type, data);
  }

  /** Writes what the person's devices share; without `base_version`, as one that knows the present. **Errors**: as `request`. */
  async write(ask: Ask<"state_set"> & { key: string }): Promise<Reply<"state_set">> {
    const base_version = this.world.registers.get(ask.key)?.version ?? 0;
    const reply = await this.request("state_set", { base_version, ...ask });
    this.world = withRegisters(this.world, [reply.register]);
    return reply;
  }

  /** A register as the server has it, also when it was deleted, which no list says. **Errors**: as `request`. */
  async read(key: string): Promise<StateRegister | undefined> {
    const { registers } = await this.request("state_get", { key });
    this.world = withRegisters(this.world, registers);
    return registers[0];
  }

  /** Sends a command, now or when there is a connection again: nothing that was sent is lost. What it was typed as goes with it. */
  send(ask: Ask<"command_submit">, files: readonly LocalFile[] = [], draft?: DraftSent): Promise<Entry> {
    return this.#outbox.put(ask, files, draft);
  }

  /** The bytes of something that was attached. **Errors**: `Refusal` when it is no longer kept. */
  bytes(hash: string): Promise<ArrayBuffer> {
    return this.#blobs.get(hash);
  }

  sendAgain(entry: Entry): Promise<void> {
    return this.#outbox.retry(entry);
  }

  discard(entry: Entry): Promise<void> {
    return this.#outbox.discard(entry);
  }

  /** Machines as they are now, with what no fact tells. **Errors**: as `request`. */
  async lookAtRunners(): Promise<void> {
    const { runners } = await this.request("runner_list");
    this.#frames.flush();
    this.world = fold(this.world, runners.map((data) => ({ topic: "", at: "", fact: { type: "runner_state", data } })));
  }

  tryNow(): void {
    this.#link.nudge();
  }

  /** Where the focus is, from the answer to a request: the fact that tells it may come later. */
  learn(handoff: Handoff): void {
    this.world = withHandoff(this.world, handoff);
  }

  /** The order of what waits, and what is held, from the answers to requests. */
  learnQueue(queue: Queue): void {
    this.world = { ...this.world, queue };
  }

  transcript(projectId: ProjectId): Transcript {
    return this.#transcripts.get(projectId) ?? NOTHING;
  }

  /** Loads a page of a project's messages: the newest, or around a gap. **Errors**: as `request`. */
  async load(projectId: ProjectId, ask: PageAsk = {}): Promise<void> {
    this.#early.set(projectId, this.#early.get(projectId) ?? []);
    try {
      const page = await this.#link.request("get_messages", { project_id: projectId, limit: PAGE_MESSAGES, ...ask });
      this.#frames.flush();
      const told = this.#early.get(projectId) ?? [];
      this.#setTranscript(projectId, withEvents(withPage(this.transcript(projectId), ask, page), told));
    } finally {
      this.#early.delete(projectId);
    }
  }

  /** Loads what is older than everything known of a project. */
  async loadOlder(projectId: ProjectId): Promise<void> {
    const before = oldest(this.transcript(projectId));
    if (before !== undefined && before > 1) await this.load(projectId, { before });
  }

  #listener(): Listener {
    return {
      state: (state) => this.#linkState(state),
      event: (event) => this.#event(event),
      missing: (topic, missing) => this.#miss(topic, missing),
      connected: () => this.#connected(),
    };
  }

  /** What is missing shows in a transcript as what is not known; lists are asked anew. */
  #miss(topic: string, missing: Span): void {
    this.#frames.flush();
    const id = topic.replace(/^project:/, "");
    const transcript = this.#transcripts.get(id);
    if (transcript) this.#transcripts = new Map(this.#transcripts).set(id, withoutSpan(transcript, missing));
    this.world = withoutLine(this.world, id, missing.first);
    void Promise.all([this.#askShared(), this.#reload()]).catch(() => {});
  }

  #linkState(state: LinkState): void {
    const second = (at: number | undefined) => Math.floor((at ?? 0) / 1000);
    const same = state.status === this.link.status && second(state.heardAt) === second(this.link.heardAt);
    if (same) return;
    if (isUp(this.link.status) && !isUp(state.status)) this.#lost();
    const isBack = this.link.status.is !== "live" && state.status.is === "live";
    this.link = state;
    if (state.status.is === "live" && state.heardAt !== undefined) this.knownAt = state.heardAt;
    if (isBack) void this.#keep();
  }

  /** What the agent was saying goes on without us. */
  #lost(): void {
    void this.#keep();
    this.#transcripts = new Map([...this.#transcripts].map(([id, transcript]) => [id, { ...transcript, streaming: undefined }]));
  }

  async #connected(): Promise<void> {
    const [topics, { projects }] = await Promise.all([askTopics(this.#link), this.#link.request("project_list")]);
    await Promise.all([this.#follow([topics.org, topics.person]), this.#followProjects(projects)]);
    await Promise.all([this.#askShared(), this.#reload()]);
    await Promise.all([...this.#transcripts.keys()].filter((id) => this.world.projects.has(id)).map((id) => this.load(id)));
    void this.#askLastLines();
    void this.#outbox.deliver();
    // What can't be removed now is removed after the next connection.
    void forgetFilesExcept(this.world.projects.keys()).catch(() => {});
  }

  async #askShared(): Promise<void> {
    this.#frames.flush();
    const asked = this.world.registers;
    const { registers, handoff } = await askShared(this.#link);
    this.#frames.flush();
    this.world = withHandoff(replaceRegisters(this.world, registers, asked), handoff);
  }

  /** Asks the lists anew, one time after another; who comes before one began shares it. */
  #reload(): Promise<void> {
    this.#planned ??= this.#reloaded
      .catch(() => {})
      .then(() => {
        this.#planned = undefined;
        return this.#askLists();
      });
    return (this.#reloaded = this.#planned);
  }

  /**
   * What is told while the lists are on their way is newer than they are. What is told of a project before it is
   * followed is missed, so after following one that only they knew of, they are asked for again.
   */
  async #askLists(): Promise<void> {
    const touched = new Map<MapName, Set<string>>();
    this.#touched = touched;
    const lists = await askLists(this.#link);
    this.#frames.flush();
    this.world = replace(this.world, lists, touched);
    this.loaded = true;
    this.#touched = undefined;
    if (await this.#followProjects(this.world.projects.values())) await this.#askLists();
  }

  #followProjects(projects: Iterable<Project>): Promise<boolean> {
    return this.#follow([...projects].map(({ id }) => `project:${id}`));
  }

  /** Whether any of them was not followed yet. */
  async #follow(topics: string[]): Promise<boolean> {
    const fresh = topics.filter((topic) => !this.#link.isFollowing(topic));
    await Promise.all(fresh.map((topic) => this.#link.follow(topic)));
    return fresh.length > 0;
  }

  /** A project nobody told of before: what happened in it since is in the lists. */
  async #meet(project: Project): Promise<void> {
    if (await this.#followProjects([project])) await this.#reload();
  }

  async #askLastLines(): Promise<void> {
    const isKnown = ({ id, last_active }: Project) => this.#linesAsked && (this.world.lastLines.get(id)?.at ?? "") >= last_active;
    const asked = latest(this.world.projects.values(), LINES_ASKED).filter((project) => !isKnown(project));
    this.#linesAsked = true;
    for (const { id } of asked) {
      const page = await this.#link.request("get_messages", { project_id: id, limit: 1 }).catch(() => undefined);
      const message = page?.messages[0];
      if (!message?.text) continue;
      const { seq, timestamp, kind, text } = message;
      this.world = withLastLine(this.world, id, { seq, at: timestamp, kind, text: oneLine(text) });
    }
  }

  #event(event: TopicEvent): void {
    const about = subject(event.fact);
    if (about && this.#touched) this.#touched.set(about[0], (this.#touched.get(about[0]) ?? new Set()).add(about[1]));
    this.#frames.add(event);
    // A connection that goes meanwhile is no loss: the next one follows every project there is.
    const { fact } = event;
    if (fact.type === "project_state") void this.#meet(fact.data).catch(() => {});
    if (fact.type === "project_deleted") void this.#link.unfollow(`project:${fact.data.project_id}`).catch(() => {});
  }

  #fold(events: TopicEvent[]): void {
    this.world = fold(this.world, events);
    const changed = new Map(this.#transcripts);
    for (const id of new Set(events.map((event) => event.project_id))) {
      const held = id === undefined ? undefined : changed.get(id);
      if (id === undefined) continue;
      const its = events.filter((event) => event.topic === `project:${id}`);
      if (held === undefined) this.#early.get(id)?.push(...its);
      else if (its.length > 0) changed.set(id, withEvents(held, its));
    }
    this.#transcripts = changed;
  }

  #setTranscript(id: ProjectId, transcript: Transcript): void {
    const changed = new Map(this.#transcripts);
    // Last in the map: opened last, kept longest.
    changed.delete(id);
    this.#transcripts = changed.set(id, transcript);
  }

  async #upload({ key }: Entry, { attachment, bytes }: LocalFile): Promise<void> {
    const told = (part: number) => (this.uploading = { key, name: attachment.name, part });
    told(0);
    await upload(this.#prover, bytes, told).finally(() => (this.uploading = undefined));
  }

  async #forget(draft: DraftSent): Promise<void> {
    if (this.world.registers.get(draft.key)?.value !== undefined) await this.write(draft);
  }

  async #submit(ask: Ask<"command_submit">): Promise<Command> {
    const command = await this.#link.request("command_submit", ask);
    const fact = { type: "command_state" as const, data: command };
    if (!this.world.commands.has(command.id)) this.world = fold(this.world, [{ topic: `project:${command.project_id}`, at: command.created_at, fact }]);
    return command;
  }

  readonly #keep = async (): Promise<void> => {
    // A page without a connection has nothing new, and another one may have kept what is newer.
    if (!this.loaded || this.knownAt === undefined || this.link.status.is !== "live") return;
    this.#frames.flush();
    // **Optional feature**: where the disk is full, the app opens without a network as it last could.
    await keepSnapshot(this.knownAt, this.world, this.#transcripts).catch((error: unknown) => console.warn("what is known is not kept:", error));
  };
}
