/** Opens a signed WebSocket. */
import type { Prover } from "../identity/identity";
import { call } from "../identity/rest";
import type { Socket } from "./link";

const PATH = "/ws";
const SUBPROTOCOL = "afield.v1";
/** Asked before a second try: a page is not told why an upgrade failed, but it is told here. */
const PROBE = "/api/v1/holds";

/** **Errors**: `Unreachable`, `ServerKeyChanged`, and `Refusal` when this device is not let in (any more). */
export async function dial(prover: Prover, afresh: boolean): Promise<Socket> {
  if (afresh) {
    prover.challenges.forget();
    await call(prover, "GET", PROBE);
  }
  const proof = await prover.subprotocol(PATH);
  const url = new URL(PATH, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url, [SUBPROTOCOL, proof]) as Socket;
}
