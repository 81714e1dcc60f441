import { beforeEach, describe, expect, it, vi } from "vitest";
import { about } from "./about";
import { base64url, fromBase64url } from "./bytes";
import { Challenges } from "./challenge";
import { Refusal, ServerKeyChanged } from "./failure";
import { type Identity, Prover } from "./identity";
import { isSignedBy, makeKey, sign } from "./key";
import { Claimant, WrongServer } from "./pair";
import { fromFragment, fromTyped } from "./pairing-link";
import { call } from "./rest";
import { fingerprint, matchDigits, proofStatement, serverStatement, type Signing } from "./statements";

const answers: Response[] = [];
const requests: { url: string; init: RequestInit | undefined }[] = [];
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

beforeEach(() => {
  answers.length = requests.length = 0;
  vi.stubGlobal("fetch", async (url: string, init?: RequestInit) => {
    requests.push({ url, init });
    const answer = answers.shift();
    if (!answer) throw new TypeError("no network");
    return answer;
  });
});

const challenge = (server_key: string, challenge = "c1", now = Date.now()) => ({ server_key, challenge, now: new Date(now).toISOString() });

async function identity(serverKey: string): Promise<Identity> {
  return { deviceId: "d", ...(await makeKey()), serverKey, scopes: ["view"], pairedAt: 0 };
}

describe("an invitation", () => {
  it("is read from links and from codes in any spelling", () => {
    expect(fromFragment("#pair=s&key=AB&cert=00")).toEqual({ secret: "s", fingerprint: "ab" });
    expect(fromTyped(" https://box:7433/#pair=s&key=ab ")).toEqual({ secret: "s", fingerprint: "ab" });
    expect(fromTyped("bcdf-ghjk")).toEqual({ secret: "BCDFGHJK" });
    for (const bad of ["", "BCDF", "ACDF-GHJK", "https://box/#pair=s", "https://box/"]) expect(fromTyped(bad)).toBeUndefined();
  });
});

describe("a key", () => {
  it("signs, and can't be read", async () => {
    const key = await makeKey();
    expect(await isSignedBy(key.publicKey, await sign(key.privateKey, "text"), "text")).toBe(true);
    expect(await isSignedBy(key.publicKey, await sign(key.privateKey, "text"), "other")).toBe(false);
    await expect(crypto.subtle.exportKey("pkcs8", key.privateKey)).rejects.toThrow();
  });

  it("is written in base64url without padding", () => {
    const bytes = new Uint8Array([251, 255, 254, 0]);
    expect(base64url(bytes)).toBe("-__-AA");
    expect(fromBase64url("-__-AA")).toEqual(bytes);
  });
});

describe("a proof", () => {
  it("is signed by the server's clock, over the request line", async () => {
    const me = await identity("server");
    answers.push(json(challenge("server", "c1", Date.now() + 86_400_000)));
    const proof = await new Prover(me).proof("GET", "/ws");
    const [device, said, time, nonce, signature] = proof.split(" ");
    expect([device, said]).toEqual(["d", "c1"]);
    expect(Number(time) - Date.now()).toBeGreaterThan(86_000_000);
    const signing: Signing = { serverKey: "server", challenge: "c1", time: Number(time), nonce: nonce ?? "" };
    expect(await isSignedBy(me.publicKey, signature ?? "", proofStatement(signing, "d", "GET", "/ws"))).toBe(true);
  });

  it("is made again, once, when the server has a new challenge", async () => {
    const prover = new Prover(await identity("server"));
    answers.push(json(challenge("server", "old")), json({ code: "UNAUTHORIZED", message: "stale", details: challenge("server", "new") }, 401), json({ ok: true }));
    expect(await call(prover, "GET", "/api/v1/holds")).toEqual({ ok: true });
    const signed = requests.slice(1).map(({ init }) => (init?.headers as Record<string, string>)["authorization"]?.split(" ")[2]);
    expect(signed).toEqual(["old", "new"]);
  });

  it("gives up when the refusal has no challenge", async () => {
    const prover = new Prover(await identity("server"));
    answers.push(json(challenge("server")), json({ code: "UNAUTHORIZED", message: "revoked" }, 401));
    await expect(call(prover, "GET", "/api/v1/holds")).rejects.toThrow(Refusal);
    expect(requests).toHaveLength(2);
  });

  it("is never made for another server", async () => {
    const prover = new Prover(await identity("server"));
    answers.push(json(challenge("another")));
    await expect(prover.proof("GET", "/ws")).rejects.toThrow(ServerKeyChanged);
    const challenges = new Challenges("server");
    expect(() => challenges.renew(challenge("another"))).toThrow(ServerKeyChanged);
  });
});

describe("pairing", () => {
  const myself = about("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/18.0 Mobile Safari/604");

  async function reply(server: Awaited<ReturnType<typeof makeKey>>, mine: string, more: object): Promise<Response> {
    const { nonce } = JSON.parse(String(requests.at(-1)?.init?.body ?? "{}"));
    const said = serverStatement({ serverKey: server.publicKey, challenge: "", time: 0, nonce }, mine, "p");
    return json({ pairing_id: "p", scopes: ["view"], expires_at: "2026-01-01T00:00:00Z", server_signature: await sign(server.privateKey, said), ...more });
  }

  /** Answers the claim once it is known, since the answer signs its nonce. */
  function answerClaim(server: Awaited<ReturnType<typeof makeKey>>, mine: string, more: object): void {
    vi.stubGlobal("fetch", async (url: string, init?: RequestInit) => {
      requests.push({ url, init });
      return url.endsWith("/challenge") ? json(challenge(server.publicKey)) : reply(server, mine, more);
    });
  }

  it("names the browser and the system", () => {
    expect(myself).toEqual({ name: "Safari on iPhone", system: "iPhone", version: "Safari 18" });
  });

  it("shows the digits while it waits", async () => {
    const [server, mine] = [await makeKey(), await makeKey()];
    answerClaim(server, mine.publicKey, { state: "claimed" });
    const progress = await new Claimant(mine, { secret: "s", fingerprint: await fingerprint(server.publicKey) }, myself).ask();
    expect(progress).toMatchObject({ is: "waiting", digits: await matchDigits(server.publicKey, mine.publicKey, "p") });
  });

  it("becomes a device and keeps the server's key", async () => {
    const [server, mine] = [await makeKey(), await makeKey()];
    answerClaim(server, mine.publicKey, { state: "approved", device_id: "d" });
    const progress = await new Claimant(mine, { secret: "s" }, myself).ask();
    expect(progress).toMatchObject({ is: "paired", identity: { deviceId: "d", serverKey: server.publicKey, scopes: ["view"] } });
  });

  it("sends nothing to a server that is not the link's", async () => {
    const [server, mine] = [await makeKey(), await makeKey()];
    answerClaim(server, mine.publicKey, { state: "approved", device_id: "d" });
    await expect(new Claimant(mine, { secret: "s", fingerprint: "00" }, myself).ask()).rejects.toThrow(WrongServer);
    expect(requests.map(({ url }) => url)).toEqual(["/api/v1/challenge"]);
  });

  it("believes no server that can't sign with its key", async () => {
    const [server, other, mine] = [await makeKey(), await makeKey(), await makeKey()];
    answerClaim({ ...other, publicKey: server.publicKey }, mine.publicKey, { state: "approved", device_id: "d" });
    await expect(new Claimant(mine, { secret: "s" }, myself).ask()).rejects.toThrow(WrongServer);
  });
});

describe("the two digits", () => {
  it("are those of the other side", async () => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("afield-match-v1\nk\np\ni")));
    const number = hash.slice(0, 8).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    expect(await matchDigits("k", "p", "i")).toBe(String(number % 100n).padStart(2, "0"));
  });
});
