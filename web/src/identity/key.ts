/**
 * This browser's key: made here, never leaves, can't be read even by this page.
 *
 * **Optional feature**: Ed25519 in WebCrypto (Chrome 137, Firefox 129, Safari 17). Without it, or
 * outside a secure context, the app says what to do instead (`readiness`).
 */
import { base64url, fromBase64url, utf8 } from "./bytes";

export interface DeviceKey {
  /** Not extractable: what is in the browser's database is a handle. */
  readonly privateKey: CryptoKey;
  /** As it is written on the wire. */
  readonly publicKey: string;
}

export type Readiness = "ready" | "no-secure-context" | "no-ed25519";

/** Whether this browser can be a device. */
export async function readiness(): Promise<Readiness> {
  if (!isSecureContext || !crypto.subtle) return "no-secure-context";
  try {
    await makeKey();
    return "ready";
  } catch {
    return "no-ed25519";
  }
}

export async function makeKey(): Promise<DeviceKey> {
  const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"])) as CryptoKeyPair;
  const publicKey = base64url(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { privateKey: pair.privateKey, publicKey };
}

export async function sign(key: CryptoKey, text: string): Promise<string> {
  return base64url(await crypto.subtle.sign({ name: "Ed25519" }, key, utf8(text)));
}

/** Whether `signature` over `text` was made by the holder of `publicKey`. */
export async function isSignedBy(publicKey: string, signature: string, text: string): Promise<boolean> {
  const key = await crypto.subtle.importKey("raw", fromBase64url(publicKey), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, key, fromBase64url(signature), utf8(text));
}
