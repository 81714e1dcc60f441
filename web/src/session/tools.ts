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

const SHOWN_INSIDE = new Set<HistoryMessage["kind"]>(["text", "thinking", "tool_use", "tool_result", "prompt"]);
/** Sub-agents of sub-agents of … as deep as anyone can read them on a screen; what is deeper stands by itself. */
const DEPTH_MAX = 6;

/** A use, and what came of it so far. */
interface Call {
  readonly use: HistoryMessage;
  readonly depth: number;
  result: HistoryMessage | undefined;
  readonly children: HistoryMessage[];
}

export function joined(messages: readonly HistoryMessage[]): Joined {
  const calls = callsIn(messages);
  const results = new Set([...calls.values()].flatMap(({ result }) => (result ? [result.seq] : [])));
  const elsewhere = new Set(results);
  for (const { children } of calls.values()) children.forEach(({ seq }) => elsewhere.add(seq));
  const tools = new Map<number, ToolLine>();
  for (const [seq, call] of calls) {
    if (!elsewhere.has(seq)) tools.set(seq, lineOf(call, calls, results));
  }
  return { tools, elsewhere };
}

/**
 * By the number of the use. Ids may come again in a later turn: whatever names one means the
 * latest use before it.
 */
function callsIn(messages: readonly HistoryMessage[]): Map<number, Call> {
  const calls = new Map<number, Call>();
  const latest = new Map<string, Call>();
  for (const message of messages) {
    const { kind, tool, parent, seq } = message;
    const around = parent !== undefined && SHOWN_INSIDE.has(kind) ? latest.get(parent) : undefined;
    const inside = around && around.depth < DEPTH_MAX ? around : undefined;
    inside?.children.push(message);
    if (kind === "tool_result" && tool) {
      const call = latest.get(tool.id);
      if (call) call.result = message;
    } else if (kind === "tool_use" && tool) {
      const call: Call = { use: message, depth: inside ? inside.depth + 1 : 0, result: undefined, children: [] };
      calls.set(seq, call);
      latest.set(tool.id, call);
    }
  }
  return calls;
}

function lineOf({ use, result, children }: Call, calls: ReadonlyMap<number, Call>, results: ReadonlySet<number>): ToolLine {
  const inside = children.flatMap((message): Inner[] => {
    if (results.has(message.seq)) return [];
    const call = calls.get(message.seq);
    return [call ? lineOf(call, calls, results) : said(message)];
  });
  return remembered({ is: "tool", key: `m-${use.seq}`, use, result, inside });
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
