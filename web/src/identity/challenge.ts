/**
 * What the server wants signed, and how far its clock is from ours.
 *
 * One per page. A server that shows another key than the expected one is refused before anything
 * is signed for it.
 */
import { nonce } from "./bytes";
import { refusalOf, ServerKeyChanged, Unreachable } from "./failure";
import type { Signing } from "./statements";

export interface Challenge {
  readonly server_key: string;
  readonly challenge: string;
  readonly now: string;
}

interface Held {
  readonly challenge: Challenge;
  /** Server's clock minus ours, in milliseconds. */
  readonly ahead: number;
}

export class Challenges {
  #held: Held | undefined;
  readonly #expectedKey: string | undefined;

  constructor(expectedKey?: string) {
    this.#expectedKey = expectedKey;
  }

  /** What the next signature is bound to; asks the server when nothing is known. */
  async next(): Promise<Signing> {
    this.#held ??= this.#accept(await fetchChallenge());
    const { challenge, ahead } = this.#held;
    return { serverKey: challenge.server_key, challenge: challenge.challenge, time: Date.now() + ahead, nonce: nonce() };
  }

  /** The server has started again, or time has run away: what is held is worth nothing. */
  forget(): void {
    this.#held = undefined;
  }

  /** Takes the fresh challenge of a refusal's details. False when there is none. */
  renew(details: unknown): boolean {
    if (!isChallenge(details)) return false;
    this.#held = this.#accept(details);
    return true;
  }

  #accept(challenge: Challenge): Held {
    if (this.#expectedKey !== undefined && challenge.server_key !== this.#expectedKey) throw new ServerKeyChanged();
    return { challenge, ahead: Date.parse(challenge.now) - Date.now() };
  }
}

async function fetchChallenge(): Promise<Challenge> {
  const response = await fetch("/api/v1/challenge", { cache: "no-store" }).catch((cause) => {
    throw new Unreachable(cause);
  });
  if (!response.ok) throw await refusalOf(response);
  return (await response.json()) as Challenge;
}

function isChallenge(value: unknown): value is Challenge {
  return typeof value === "object" && value !== null && "server_key" in value && "challenge" in value && "now" in value;
}
