/** Answers an approval by the token of its notification: without a key, a socket, or the rest of the app. */
import type { Behavior } from "../generated/protocol";
import { refusalOf, Unreachable } from "../identity/failure";

/** `confirmed`: it was held, as what may destroy something must be. **Errors**: `Refusal`; `Unreachable`. */
export async function answer(token: string, behavior: Behavior, confirmed: boolean): Promise<void> {
  const body = JSON.stringify({ token, behavior, confirmed });
  const request = { method: "POST", headers: { "content-type": "application/json" }, body, cache: "no-store" } as const;
  const response = await fetch("/api/v1/approvals/one-tap", request).catch((cause) => {
    throw new Unreachable(cause);
  });
  if (!response.ok) throw await refusalOf(response);
}
