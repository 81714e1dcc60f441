/**
 * A search over the logs of several projects, newest first, a page at a time.
 *
 * Each project is asked by itself; what they find is merged, and a result is given out only when no
 * project can still have a newer one. Pure but for `ask`.
 */
import type { Direction, GetMessages, GetMessagesReply, HistoryMessage, MessageKind, ProjectId } from "../../generated/protocol";

export interface Wanted {
  readonly text: string;
  readonly kind: MessageKind | undefined;
  readonly direction: Direction | undefined;
}

export interface Found {
  readonly projectId: ProjectId;
  readonly message: HistoryMessage;
}

export interface Page {
  readonly found: readonly Found[];
  readonly more: boolean;
}

export type Ask = (data: GetMessages) => Promise<GetMessagesReply>;

/** One project's part: what it found and was not given out, and where it goes on. */
interface Source {
  readonly projectId: ProjectId;
  waiting: HistoryMessage[];
  before: number | undefined;
  more: boolean;
}

/** Asked of a project at once. */
const ASKED = 20;
/** Projects asked at the same time: a connection carries other things too. */
const AT_ONCE = 4;

export class Search {
  readonly #ask: Ask;
  readonly #wanted: Wanted;
  readonly #sources: Source[];

  constructor(ask: Ask, wanted: Wanted, projects: readonly ProjectId[]) {
    this.#ask = ask;
    this.#wanted = wanted;
    this.#sources = projects.map((projectId) => ({ projectId, waiting: [], before: undefined, more: true }));
  }

  /** The next results. **Errors**: as `ask`; what was found until then is kept for the next call. */
  async next(count: number): Promise<Page> {
    const found: Found[] = [];
    while (found.length < count) {
      await this.#fill();
      const source = this.#newest();
      if (!source) break;
      const message = source.waiting.pop();
      if (message) found.push({ projectId: source.projectId, message });
    }
    return { found, more: this.#sources.some((source) => source.more || source.waiting.length > 0) };
  }

  /** Until each project shows its newest remaining result, or has none. */
  async #fill(): Promise<void> {
    const empty = this.#sources.filter((source) => source.more && source.waiting.length === 0);
    for (let index = 0; index < empty.length; index += AT_ONCE) {
      await Promise.all(empty.slice(index, index + AT_ONCE).map((source) => this.#fetch(source)));
    }
  }

  async #fetch(source: Source): Promise<void> {
    const { text, kind, direction } = this.#wanted;
    const reply = await this.#ask({
      project_id: source.projectId,
      limit: ASKED,
      ...(text !== "" && { text }),
      ...(kind && { kind }),
      ...(direction && { direction }),
      ...(source.before !== undefined && { before: source.before }),
    });
    source.waiting = [...reply.messages];
    source.before = reply.messages[0]?.seq;
    source.more = reply.more && source.before !== undefined;
  }

  #newest(): Source | undefined {
    const when = (source: Source) => source.waiting.at(-1)?.timestamp ?? "";
    return this.#sources.reduce<Source | undefined>((best, source) => (when(source) > (best ? when(best) : "") ? source : best), undefined);
  }
}
