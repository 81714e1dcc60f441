/** Looks through what was said in all projects, page by page, as the server finds it: newest first. */
import type { FoundMessage, MessageSearchReply, Timestamp } from "../../generated/protocol";
import type { Ask } from "../../link/wire";

export type Wanted = Pick<Ask<"message_search">, "text" | "kind" | "direction" | "project_ids">;

type AskSearch = (data: Ask<"message_search">) => Promise<MessageSearchReply>;

export interface Page {
  readonly found: readonly FoundMessage[];
  readonly more: boolean;
  /** When there is more: everything newer was looked through. */
  readonly reached: Timestamp | undefined;
  /** Something on the way could not be read. */
  readonly incomplete: boolean;
}

/** One reply looks through a bounded part: so many are asked for before a person is shown how far it came. */
const ASKED_MAX = 5;

export class Search {
  readonly #ask: AskSearch;
  readonly #wanted: Wanted;
  #before: string | undefined;

  constructor(ask: AskSearch, wanted: Wanted) {
    this.#ask = ask;
    this.#wanted = wanted;
  }

  /** The next results, fewer where looking takes long. **Errors**: as `ask`; the next call goes on where this one ended. */
  async next(count: number): Promise<Page> {
    const found: FoundMessage[] = [];
    let incomplete = false;
    for (let asked = 1; ; asked++) {
      const reply = await this.#ask({ ...this.#wanted, limit: count - found.length, ...(this.#before !== undefined && { before: this.#before }) }).catch((error: unknown) => {
        if (found.length === 0) throw error;
        return undefined;
      });
      if (!reply) return { found, more: true, reached: found.at(-1)?.timestamp, incomplete };
      this.#before = reply.before;
      found.push(...reply.messages);
      incomplete ||= reply.gaps.length > 0;
      if (!reply.more || found.length >= count || asked >= ASKED_MAX) return { found, more: reply.more, reached: reply.reached, incomplete };
    }
  }
}
