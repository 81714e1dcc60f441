/** From messages of the protocol to what the stream shows. Pure. */
import type { Command, HistoryMessage } from "../generated/protocol";
import type { Entry } from "../outbox/entry";
import type { Row, Transcript } from "../state/transcript";
import { rows } from "../state/transcript";

/** Said by the agent's program about itself; the stream leaves it out. */
const UNSHOWN = new Set<HistoryMessage["kind"]>(["init", "system", "partial", "progress"]);

export type Line =
  | Row
  /** A new conversation began. */
  | { readonly is: "session"; readonly key: string }
  /** Accepted by the server, not yet given to the agent. */
  | { readonly is: "queued"; readonly key: string; readonly command: Command }
  /** On this device only. */
  | { readonly is: "unsent"; readonly key: string; readonly entry: Entry };

export function lines(transcript: Transcript, commands: Iterable<Command>, outbox: readonly Entry[]): Line[] {
  const said: Line[] = [];
  const prompted = new Set<string>();
  let session: string | undefined;
  for (const row of rows(transcript)) {
    if (row.is !== "message") {
      said.push(row);
      continue;
    }
    const { message } = row;
    if (message.kind === "prompt" && message.command_id) prompted.add(message.command_id);
    if (message.session_id && session && message.session_id !== session) said.push({ is: "session", key: `s-${message.seq}` });
    session = message.session_id ?? session;
    if (!UNSHOWN.has(message.kind)) said.push(row);
  }
  return [...said, ...queued(commands, prompted), ...unsent(commands, outbox)];
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
