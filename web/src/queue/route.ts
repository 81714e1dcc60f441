/**
 * How a command came to its machine, when it was sent to whichever can do it. Pure.
 *
 * A server may leave it out; what it says is read field by field, so that a newer one breaks nothing.
 */
export interface Candidate {
  readonly runner: string;
  readonly verdict: string;
  readonly reason: string;
}

export interface Decision {
  readonly at: string | undefined;
  readonly cause: string;
  readonly reason: string;
  readonly counts: string;
  readonly candidates: readonly Candidate[];
}

export interface Route {
  readonly selector: string;
  readonly placed: boolean;
  readonly decisions: readonly Decision[];
}

type Fields = Readonly<Record<string, unknown>>;

const CAUSES: Partial<Record<string, string>> = {
  submitted: "When it was sent",
  fits: "When a machine that fits came",
  lost: "When its machine was lost",
  asleep: "When its machine went to sleep",
};

export function routeOf(detail: unknown): Route | undefined {
  const route = fields(fields(detail)?.["route"]);
  const wish = fields(route?.["wish"]);
  if (!route || !wish) return undefined;
  return { selector: text(wish["selector"]), placed: route["placed"] === true, decisions: list(route["decisions"]).map(decision) };
}

function decision(row: Fields): Decision {
  const cause = text(row["cause"]);
  return {
    at: typeof row["at"] === "string" ? row["at"] : undefined,
    cause: CAUSES[cause] ?? cause,
    reason: text(row["reason"]),
    counts: `${Number(row["fitted"]) || 0} of ${Number(row["considered"]) || 0} fitted`,
    candidates: list(row["candidates"]).map((one) => ({ runner: text(one["runner"]), verdict: text(one["verdict"]), reason: text(one["reason"]) })),
  };
}

function fields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null ? (value as Fields) : undefined;
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fields).filter((row) => row !== undefined) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
