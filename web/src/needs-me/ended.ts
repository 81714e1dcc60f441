/** Work that ended badly: what is known of it, and what can be decided. Pure. */
import type { Command } from "../generated/protocol";

export interface EndWords {
  readonly text: string;
  readonly advice: string;
  /** What the machine or the agent said about it. */
  readonly said: string | undefined;
}

export function endWords({ state, outcome, attempt }: Command): EndWords {
  const said = [outcome?.code, outcome?.message].filter((part) => part !== undefined && part !== "").join(": ");
  return { ...words(state, attempt), said: said === "" ? undefined : said };
}

function words(state: Command["state"], attempt: number): Omit<EndWords, "said"> {
  switch (state) {
    case "interrupted":
      return { text: "Interrupted: nobody saw how it ended", advice: "It may be done in part. Look at the project, then say what became of it. Run again starts it a second time." };
    case "dead":
      return { text: `Given up after ${attempt} ${attempt === 1 ? "attempt" : "attempts"}`, advice: "It stays here until you run it again or discard it." };
    default:
      return { text: "Failed", advice: "Run it again, or put it away." };
  }
}
