// This browser as a device: its key, how it is let in by a link, and its proofs.
// The private key can't be read, by this page neither; it stays in IndexedDB and signs.
const text = new TextEncoder();
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytes = (written) => Uint8Array.from(atob(written.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const nonce = () => base64url(crypto.getRandomValues(new Uint8Array(16)));

/** What the server asks to be signed; its clock, too. Rejects when it can't be reached. */
async function askChallenge() {
  const answer = await fetch("/api/v1/challenge");
  if (!answer.ok) throw new Error("the server is not ready");
  return answer.json();
}

/** One object store with two records: the key pair, and what this browser became. */
async function stored(mode, work) {
  const opening = indexedDB.open("afield", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("device");
  const database = await done(opening);
  try {
    return await done(work(database.transaction("device", mode).objectStore("device")));
  } finally {
    database.close();
  }
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const load = (name) => stored("readonly", (store) => store.get(name));
const keep = (name, value) => stored("readwrite", (store) => store.put(value, name));

/** The key pair, made once: a browser that is let in again is the same device. */
async function ownKey() {
  const kept = await load("key");
  if (kept) return kept;
  const made = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  await keep("key", made);
  return made;
}

const sign = async (lines) => {
  const { privateKey } = await ownKey();
  return base64url(await crypto.subtle.sign("Ed25519", privateKey, text.encode(lines.join("\n"))));
};

/** What this browser is on the server, or nothing. */
export const device = () => load("device");

/** Comes in by the secret of a link, to the server whose key has this fingerprint. */
export async function claim(secret, fingerprint) {
  const told = await askChallenge();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text.encode(told.server_key)));
  const found = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== fingerprint) throw new Refused("This is not the server the link was made for.");
  const { publicKey } = await ownKey();
  const written = base64url(await crypto.subtle.exportKey("raw", publicKey));
  const [time, once] = [told.now, nonce()];
  const said = ["afield-claim-v1", told.server_key, told.challenge, written, Date.parse(time), once, secret];
  const answer = await fetch("/api/v1/pair", {
    method: "POST",
    body: JSON.stringify({
      secret, public_key: written, challenge: told.challenge, time, nonce: once, signature: await sign(said),
      name: "browser", kind: "browser", about: { system: navigator.platform.slice(0, 100), version: "" },
    }),
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Refused(reply.message);
  const promised = ["afield-server-v1", told.server_key, written, once, reply.pairing_id].join("\n");
  const server = await crypto.subtle.importKey("raw", bytes(told.server_key), { name: "Ed25519" }, false, ["verify"]);
  const holds = await crypto.subtle.verify("Ed25519", server, bytes(reply.server_signature), text.encode(promised));
  if (!holds) throw new Refused("This is not the server the link was made for.");
  if (reply.state !== "approved") throw new Refused("This link waits for a decision; use one from: afield link");
  await keep("device", { id: reply.device_id, server_key: told.server_key });
}

/** The server said no, and would again. */
export class Refused extends Error {}

/** The five fields of a proof for one request. */
async function proof({ id, server_key }, told, line) {
  if (told.server_key !== server_key) throw new Refused("Another server answers here; open a fresh link: afield link");
  // By the server's clock, whatever this one says.
  const [time, once] = [Date.parse(told.now), nonce()];
  const signature = await sign(["afield-proof-v1", server_key, told.challenge, id, time, once, line]);
  return [id, told.challenge, time, once, signature];
}

/** A request with a proof. A stale one is answered with a fresh challenge and signed again, once. */
export async function proven(own, method, path) {
  const send = async (told) => {
    const words = await proof(own, told, `${method} ${path}`);
    return fetch(path, { method, headers: { Authorization: `Afield ${words.join(" ")}` } });
  };
  const answer = await send(await askChallenge());
  const fresh = answer.status === 401 ? (await answer.clone().json()).details : null;
  return fresh?.challenge ? send(fresh) : answer;
}

/** A WebSocket whose upgrade carries a proof. */
export async function open(own) {
  const words = await proof(own, await askChallenge(), "GET /ws");
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
  return new WebSocket(url, ["afield.v1", `afield.proof.${words.join(".")}`]);
}
