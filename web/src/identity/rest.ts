/** Signed REST calls: for what must work without the socket, or does not fit into a frame. */
import type { StoredBlob } from "../generated/protocol";
import { refusalOf, Unreachable } from "./failure";
import type { Prover } from "./identity";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/**
 * Calls a route of `/api/v1` and gives the reply's body.
 *
 * **Errors**: `Refusal` as the server put it; `Unreachable`; `ServerKeyChanged`.
 */
export async function call<T>(prover: Prover, method: Method, target: string, body?: unknown): Promise<T> {
  const content = body === undefined ? null : JSON.stringify(body);
  const response = await signed(prover, method, target, (authorization) => fetched(method, target, authorization, content));
  const text = await response.text();
  return (text === "" ? {} : JSON.parse(text)) as T;
}

/** Hands the server bytes; `onpart` hears how much of them went, from 0 to 1. **Errors**: as `call`. */
export async function upload(prover: Prover, bytes: Uint8Array<ArrayBuffer>, onpart: (part: number) => void): Promise<StoredBlob> {
  const target = "/api/v1/blobs";
  const response = await signed(prover, "POST", target, (authorization) => posted(target, authorization, bytes, onpart));
  return (await response.json()) as StoredBlob;
}

/** Bytes that were uploaded. **Errors**: as `call`. */
export async function download(prover: Prover, hash: string): Promise<ArrayBuffer> {
  const target = `/api/v1/blobs/${encodeURIComponent(hash)}/bytes`;
  const response = await signed(prover, "GET", target, (authorization) => fetched("GET", target, authorization, null));
  return response.arrayBuffer();
}

/** Once more when the challenge was old. */
async function signed(prover: Prover, method: Method, target: string, send: (authorization: string) => Promise<Response>): Promise<Response> {
  const sent = async () => send(`Afield ${await prover.proof(method, target)}`);
  const first = await sent();
  if (first.status !== 401) return accepted(first);
  const refusal = await refusalOf(first);
  if (!prover.challenges.renew(refusal.body.details)) throw refusal;
  return accepted(await sent());
}

async function accepted(response: Response): Promise<Response> {
  if (!response.ok) throw await refusalOf(response);
  return response;
}

function fetched(method: Method, target: string, authorization: string, body: string | null): Promise<Response> {
  return fetch(target, { method, headers: { authorization }, body, cache: "no-store" }).catch((cause) => {
    throw new Unreachable(cause);
  });
}

/** `fetch` does not tell how far an upload is. */
function posted(target: string, authorization: string, bytes: Uint8Array<ArrayBuffer>, onpart: (part: number) => void): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", target);
    request.setRequestHeader("authorization", authorization);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => onpart(total === 0 ? 0 : loaded / total);
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = (cause) => reject(new Unreachable(cause));
    request.send(bytes);
  });
}
