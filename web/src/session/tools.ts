/**
 * Puts a tool's result beside its use, and what a sub-agent said inside the use that began it. Pure.
 *
 * Every picture asks for all of a transcript: what did not change comes back as the same object.
 */
import type { HistoryMessage } from "../generated/protocol";

export interface ToolLine {
  readonly is: "tool";
  readonly key: string;
  readonly use: HistoryMessage;
  readonly result: HistoryMessage | undefined;
  /** What a sub-agent did, in order; its own tools among them. */
  readonly inside: readonly Inner[];
}

/** A line inside a sub-agent. */
export type Inner = ToolLine | { readonly is: "said"; readonly key: string; readonly message: HistoryMessage };

/** What the messages of a transcript have to do with each other. */
export interface Joined {
  /** By the number of the use. */
  readonly tools: ReadonlyMap<number, ToolLine>;
  /** Messages that are shown inside another line. */
  readonly elsewhere: ReadonlySet<number>;
}

const NOTHING: Joined = { tools: new Map(), elsewhere: new Set() };

export function joined(messages: readonly HistoryMessage[]): Joined {
  const uses = new Map<string, HistoryMessage>();
  const results = new Map<string, HistoryMessage>();
  const children = new Map<string, HistoryMessage[]>();
  for (const message of messages) {
    const { kind, tool, parent } = message;
    if (kind === "tool_use" && tool) uses.set(tool.id, message);
    else if (kind === "tool_result" && tool && uses.has(tool.id)) results.set(tool.id, message);
    if (parent !== undefined && SHOWN_INSIDE.has(kind)) listIn(children, parent).push(message);
  }
  return uses.size === 0 ? NOTHING : new Joiner(uses, results, children).done();
}

const SHOWN_INSIDE = new Set<HistoryMessage["kind"]>(["text", "thinking", "tool_use", "tool_result", "prompt"]);
/** Sub-agents of sub-agents of … as deep as anyone can read them on a screen. */
const DEPTH_MAX = 6;

class Joiner {
  readonly #tools = new Map<number, ToolLine>();
  readonly #elsewhere = new Set<number>();

  constructor(
    readonly uses: ReadonlyMap<string, HistoryMessage>,
    readonly results: ReadonlyMap<string, HistoryMessage>,
    readonly children: ReadonlyMap<string, readonly HistoryMessage[]>,
  ) {}

  done(): Joined {
    for (const result of this.results.values()) this.#elsewhere.add(result.seq);
    for (const use of this.uses.values()) {
      if (use.parent === undefined || !this.uses.has(use.parent)) this.#tools.set(use.seq, this.#line(use, 0));
    }
    return { tools: this.#tools, elsewhere: this.#elsewhere };
  }

  #line(use: HistoryMessage, depth: number): ToolLine {
    const id = use.tool?.id ?? "";
    const below = depth < DEPTH_MAX ? (this.children.get(id) ?? []) : [];
    const inside = below.flatMap((message): Inner[] => {
      if (this.results.get(message.tool?.id ?? "") === message) return [];
      this.#elsewhere.add(message.seq);
      return message.kind === "tool_use" ? [this.#line(message, depth + 1)] : [said(message)];
    });
    return remembered({ is: "tool", key: `m-${use.seq}`, use, result: this.results.get(id), inside });
  }
}

const madeTools = new WeakMap<HistoryMessage, ToolLine>();
const madeSaid = new WeakMap<HistoryMessage, Inner>();

function remembered(line: ToolLine): ToolLine {
  const known = madeTools.get(line.use);
  const same = known && known.result === line.result && known.inside.length === line.inside.length && known.inside.every((one, index) => one === line.inside[index]);
  if (same) return known;
  madeTools.set(line.use, line);
  return line;
}

function said(message: HistoryMessage): Inner {
  const known = madeSaid.get(message);
  if (known) return known;
  const line: Inner = { is: "said", key: `m-${message.seq}`, message };
  madeSaid.set(message, line);
  return line;
}

function listIn<T>(lists: Map<string, T[]>, key: string): T[] {
  const known = lists.get(key);
  if (known) return known;
  const made: T[] = [];
  lists.set(key, made);
  return made;
}
