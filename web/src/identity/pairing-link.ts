/** What a person brings to be let in: a link (`…/#pair=SECRET&key=FINGERPRINT`) or a typed code. */

export interface Invitation {
  /** The link's secret, or the code as it is compared. */
  readonly secret: string;
  /** The server the link was made for; a typed code names none. */
  readonly fingerprint?: string;
}

/** The letters of typed codes; eight make one (docs/PROTOCOL.md, Pairing). */
const CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;

/** The link that brings a secret to a new device. The secret stands behind `#`: no server and no log sees it. */
export function pairingLink(origin: string, secret: string, fingerprint: string): string {
  return `${origin}/#pair=${secret}&key=${fingerprint}`;
}

/** From the fragment of an address. */
export function fromFragment(hash: string): Invitation | undefined {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const [secret, key] = [fields.get("pair"), fields.get("key")];
  return secret && key ? { secret, fingerprint: key.toLowerCase() } : undefined;
}

/** From what was typed or pasted: a whole link, its end, or a code in any spelling. */
export function fromTyped(text: string): Invitation | undefined {
  const trimmed = text.trim();
  const mark = trimmed.indexOf("#");
  if (mark >= 0) return fromFragment(trimmed.slice(mark));
  const code = trimmed.replace(/[\s-]/g, "").toUpperCase();
  return CODE.test(code) ? { secret: code } : undefined;
}
