/** From messages of the protocol to what the stream shows. Pure. */
import type { Command, HistoryMessage } from "../generated/protocol";
import type { Entry } from "../outbox/entry";
import type { Row, Transcript } from "../state/transcript";
import { rows } from "../state/transcript";
import { dayOf } from "./days";
import { joined, type ToolLine } from "./tools";

/** Said by the agent's program about itself; the stream leaves it out. */
const UNSHOWN = new Set<HistoryMessage["kind"]>(["init", "system", "partial", "progress"]);

export type Line =
  | Row
  | ToolLine
  /** A new day begins. */
  | { readonly is: "day"; readonly key: string; readonly at: number }
  /** What follows was not read on any of the person's devices. */
  | { readonly is: "unread"; readonly key: string }
  /** A new conversation began. */
  | { readonly is: "session"; readonly key: string }
  /** Accepted by the server, not yet given to the agent. */
  | { readonly is: "queued"; readonly key: string; readonly command: Command }
  /** On this device only. */
  | { readonly is: "unsent"; readonly key: string; readonly entry: Entry };

export interface Around {
  readonly commands: Iterable<Command>;
  readonly outbox: readonly Entry[];
  /** Read up to this event before the stream was opened. */
  readonly readTo: number | undefined;
}

export function lines(transcript: Transcript, { commands, outbox, readTo }: Around): Line[] {
  const stream = new Stream(transcript, readTo);
  for (const row of rows(transcript)) stream.take(row);
  return [...stream.lines, ...queued(commands, stream.prompted), ...unsent(commands, outbox)];
}

/** The lines so far, and what the next one depends on. */
class Stream {
  readonly lines: Line[] = [];
  readonly prompted = new Set<string>();
  readonly #joined;
  #readTo: number | undefined;
  #session: string | undefined;
  #day: number | undefined;

  constructor({ messages }: Transcript, readTo: number | undefined) {
    this.#joined = joined(messages);
    this.#readTo = readTo;
  }

  take(row: Row): void {
    if (row.is !== "message") return void this.lines.push(row);
    const { message } = row;
    if (message.kind === "prompt" && message.command_id) this.prompted.add(message.command_id);
    this.#sessionOf(message);
    if (UNSHOWN.has(message.kind) || this.#joined.elsewhere.has(message.seq)) return;
    this.#dayOf(message);
    this.#unreadAt(message);
    this.lines.push(this.#joined.tools.get(message.seq) ?? row);
  }

  #sessionOf({ session_id, seq }: HistoryMessage): void {
    if (session_id && this.#session && session_id !== this.#session) this.lines.push({ is: "session", key: `s-${seq}` });
    this.#session = session_id ?? this.#session;
  }

  #dayOf({ timestamp, seq }: HistoryMessage): void {
    const at = Date.parse(timestamp);
    const day = dayOf(at);
    if (this.#day !== undefined && day !== this.#day) this.lines.push({ is: "day", key: `d-${seq}`, at });
    this.#day = day;
  }

  /** Once, before the first message of somebody else that was not read. */
  #unreadAt({ seq, direction }: HistoryMessage): void {
    if (this.#readTo === undefined || seq <= this.#readTo || direction === "client") return;
    this.#readTo = undefined;
    if (this.lines.length > 0) this.lines.push({ is: "unread", key: "unread" });
  }
}

function queued(commands: Iterable<Command>, prompted: ReadonlySet<string>): Line[] {
  const waiting = [...commands].filter((one) => (one.state === "queued" || one.state === "leased") && !prompted.has(one.id));
  return waiting.sort((a, b) => (a.created_at < b.created_at ? -1 : 1)).map((command) => ({ is: "queued", key: `c-${command.id}`, command }));
}

/** The server may have one already whose acknowledgement is still on its way. */
function unsent(commands: Iterable<Command>, outbox: readonly Entry[]): Line[] {
  const accepted = new Set([...commands].map((command) => command.key));
  return outbox.filter((entry) => !accepted.has(entry.key)).map((entry) => ({ is: "unsent", key: `o-${entry.key}`, entry }));
}
