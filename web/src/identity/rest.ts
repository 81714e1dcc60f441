/** Signed REST calls: for what must work without the socket. */
import { refusalOf, Unreachable } from "./failure";
import type { Prover } from "./identity";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/**
 * Calls a route of `/api/v1` and gives the reply's body.
 *
 * **Errors**: `Refusal` as the server put it; `Unreachable`; `ServerKeyChanged`.
 */
export async function call<T>(prover: Prover, method: Method, target: string, body?: unknown): Promise<T> {
  const first = await send(prover, method, target, body);
  if (first.status !== 401) return read<T>(first);
  const refusal = await refusalOf(first);
  if (!prover.challenges.renew(refusal.body.details)) throw refusal;
  return read<T>(await send(prover, method, target, body));
}

async function send(prover: Prover, method: Method, target: string, body: unknown): Promise<Response> {
  const headers = { authorization: `Afield ${await prover.proof(method, target)}` };
  const content = body === undefined ? undefined : JSON.stringify(body);
  return fetch(target, { method, headers, body: content ?? null, cache: "no-store" }).catch((cause) => {
    throw new Unreachable(cause);
  });
}

async function read<T>(response: Response): Promise<T> {
  if (!response.ok) throw await refusalOf(response);
  const text = await response.text();
  return (text === "" ? {} : JSON.parse(text)) as T;
}
