/** What a tool was asked, by its kind. An agent's input is untrusted: anything may be missing or of another type. Pure. */
import { jsonText } from "../text/json";

/** One text that takes the place of another; a file that is written has no text before. */
export interface Change {
  readonly before: string;
  readonly after: string;
}

export interface Todo {
  readonly text: string;
  readonly state: "pending" | "in_progress" | "completed";
}

export type ToolAsk =
  | { readonly is: "command"; readonly command: string; readonly about: string | undefined }
  | { readonly is: "read"; readonly path: string; readonly part: string | undefined }
  | { readonly is: "edit"; readonly path: string; readonly changes: readonly Change[]; readonly wholeFile: boolean }
  | { readonly is: "search"; readonly pattern: string; readonly where: string | undefined }
  | { readonly is: "todo"; readonly items: readonly Todo[] }
  | { readonly is: "agent"; readonly about: string; readonly prompt: string; readonly type: string | undefined }
  | { readonly is: "fetch"; readonly address: string; readonly about: string | undefined }
  | { readonly is: "plan"; readonly plan: string }
  | { readonly is: "other"; readonly input: string };

type Fields = Readonly<Record<string, unknown>>;

/** Reads an input. A tool whose input lacks what its kind needs is shown as it is. */
export function toolAsk(name: string, input: unknown): ToolAsk {
  const fields = fieldsOf(input);
  return READERS.get(name)?.(fields) ?? { is: "other", input: plainly(input) };
}

/** The ask in one line, for a folded card. */
export function headline(ask: ToolAsk): string {
  switch (ask.is) {
    case "command":
      return ask.command;
    case "read":
      return ask.part === undefined ? shortly(ask.path) : `${shortly(ask.path)} · ${ask.part}`;
    case "edit":
      return shortly(ask.path);
    case "search":
      return ask.where === undefined ? ask.pattern : `${ask.pattern} in ${ask.where}`;
    case "todo":
      return `${ask.items.filter((item) => item.state === "completed").length} of ${ask.items.length} done`;
    case "agent":
      return ask.about;
    case "fetch":
      return ask.address;
    case "plan":
      return ask.plan;
    case "other":
      return ask.input;
  }
}

/** The end of a path tells files apart; the whole of it stands in the card. */
function shortly(path: string): string {
  const parts = path.split("/");
  return parts.length <= PATH_PARTS_SHOWN + 1 ? path : `…/${parts.slice(-PATH_PARTS_SHOWN).join("/")}`;
}

const PATH_PARTS_SHOWN = 2;

const READERS: ReadonlyMap<string, (fields: Fields) => ToolAsk | undefined> = new Map([
  ["Bash", command],
  ["Shell", command],
  ["Read", read],
  ["NotebookRead", read],
  ["Write", (fields) => edit(fields, writtenIn(fields, "content"), true)],
  ["Edit", (fields) => edit(fields, changesOf([fields]), false)],
  ["MultiEdit", (fields) => edit(fields, changesOf(listOf(fields, "edits")), false)],
  ["NotebookEdit", (fields) => edit(fields, writtenIn(fields, "new_source"), false)],
  ["Grep", search],
  ["Glob", search],
  ["LS", search],
  ["ListDirectory", search],
  ["TodoWrite", todo],
  ["Agent", agent],
  ["Task", agent],
  ["WebFetch", fetched],
  ["WebSearch", fetched],
  ["ExitPlanMode", plan],
]);

function command(fields: Fields): ToolAsk | undefined {
  const text = textOf(fields, "command");
  return text === undefined ? undefined : { is: "command", command: text, about: textOf(fields, "description") };
}

function read(fields: Fields): ToolAsk | undefined {
  const path = pathOf(fields);
  if (path === undefined) return undefined;
  const [offset, limit] = [numberOf(fields, "offset"), numberOf(fields, "limit")];
  const from = offset ?? 1;
  const part = limit !== undefined ? `lines ${from}–${from + limit - 1}` : offset === undefined ? undefined : `from line ${from}`;
  return { is: "read", path, part };
}

function edit(fields: Fields, changes: readonly Change[], wholeFile: boolean): ToolAsk | undefined {
  const path = pathOf(fields);
  return path === undefined || changes.length === 0 ? undefined : { is: "edit", path, changes, wholeFile };
}

function writtenIn(fields: Fields, name: string): Change[] {
  const after = textOf(fields, name);
  return after === undefined ? [] : [{ before: "", after }];
}

function changesOf(edits: readonly Fields[]): Change[] {
  const changes = edits.map((one) => ({ before: textOf(one, "old_string"), after: textOf(one, "new_string") }));
  return changes.flatMap(({ before, after }) => (before === undefined || after === undefined ? [] : [{ before, after }]));
}

function search(fields: Fields): ToolAsk | undefined {
  const where = pathOf(fields);
  const pattern = textOf(fields, "pattern") ?? where;
  return pattern === undefined ? undefined : { is: "search", pattern, where: pattern === where ? undefined : where };
}

function todo(fields: Fields): ToolAsk | undefined {
  if (!Array.isArray(fields["todos"])) return undefined;
  const items = listOf(fields, "todos").map((item) => ({ text: textOf(item, "content") ?? "", state: stateOf(textOf(item, "status")) }));
  return { is: "todo", items };
}

function stateOf(status: string | undefined): Todo["state"] {
  return status === "completed" || status === "in_progress" ? status : "pending";
}

function agent(fields: Fields): ToolAsk | undefined {
  const prompt = textOf(fields, "prompt");
  const about = textOf(fields, "description") ?? prompt;
  return about === undefined ? undefined : { is: "agent", about, prompt: prompt ?? "", type: textOf(fields, "subagent_type") };
}

function fetched(fields: Fields): ToolAsk | undefined {
  const address = textOf(fields, "url") ?? textOf(fields, "query");
  return address === undefined ? undefined : { is: "fetch", address, about: textOf(fields, "prompt") };
}

function plan(fields: Fields): ToolAsk | undefined {
  const text = textOf(fields, "plan");
  return text === undefined ? undefined : { is: "plan", plan: text };
}

/** One value plainly, several as JSON. */
function plainly(input: unknown): string {
  if (typeof input !== "object" || input === null) return input === undefined || input === null ? "" : String(input);
  const values = Object.values(input);
  return values.length === 1 && typeof values[0] === "string" ? values[0] : jsonText(input);
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" ? value : undefined;
}

export function listOf(fields: Fields, name: string): Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === "number" ? value : undefined;
}

function pathOf(fields: Fields): string | undefined {
  return textOf(fields, "file_path") ?? textOf(fields, "notebook_path") ?? textOf(fields, "path");
}
