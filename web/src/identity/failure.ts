import type { ErrorBody, ErrorCode } from "../generated/protocol";

/** What the server refused, in its own words. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly body: ErrorBody;

  constructor(body: ErrorBody) {
    super(body.message);
    this.name = "Refusal";
    this.code = body.code;
    this.body = body;
  }
}

/** The server answers with another key than the one this browser was paired with. */
export class ServerKeyChanged extends Error {
  constructor() {
    super("the server shows another key than the one this browser was paired with");
    this.name = "ServerKeyChanged";
  }
}

/** Nothing was heard: no network, no server, or something between them. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("the server does not answer", { cause });
    this.name = "Unreachable";
  }
}

/** A refusal as it arrived, or one that says what came instead. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const body: unknown = await response.json().catch(() => undefined);
  if (isErrorBody(body)) return new Refusal(body);
  const message = `the server answered ${response.status} without saying why; something between may have answered`;
  return new Refusal({ code: response.status === 401 ? "UNAUTHORIZED" : "UNAVAILABLE", message });
}

export function isErrorBody(body: unknown): body is ErrorBody {
  return typeof body === "object" && body !== null && "code" in body && "message" in body;
}
