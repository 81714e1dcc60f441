/** What may go with a prompt, what bytes are, and how an image is made smaller. Pure. */
import type { Attachment } from "../generated/protocol";

/** The server's limits, told before anything is uploaded. */
export const FILES_MAX = 10;
export const FILE_BYTES_MAX = 10 * 1024 * 1024;
export const FILES_BYTES_MAX = 20 * 1024 * 1024;
/** The longer side of an image: agents see no more of a larger one. */
export const IMAGE_PIXELS_MAX = 2_000;
/** An image of more bytes is given to the agent as a file instead of being shown. */
export const IMAGE_BYTES_SHOWN = 3_900_000;

export const OCTETS = "application/octet-stream";
export const TEXT = "text/plain";
const IMAGES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"]);

/** What bytes are, by the same rules as the server's. */
export function mediaTypeOf(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (start.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(start)) return "image/gif";
  if (start.startsWith("RIFF") && start.slice(8) === "WEBP") return "image/webp";
  return isText(bytes) ? TEXT : OCTETS;
}

function isText(bytes: Uint8Array): boolean {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

export function isImage({ media_type }: Pick<Attachment, "media_type">): boolean {
  return IMAGES.has(media_type);
}

/** Why these can't go with one prompt, in words; nothing when they can. */
export function refusalOf(files: readonly Pick<Attachment, "name" | "bytes">[]): string | undefined {
  const large = files.find((file) => file.bytes > FILE_BYTES_MAX);
  const empty = files.find((file) => file.bytes === 0);
  const together = files.reduce((sum, file) => sum + file.bytes, 0);
  if (empty) return `${empty.name} is empty.`;
  if (large) return `${large.name} has ${sizeInWords(large.bytes)}; at most ${sizeInWords(FILE_BYTES_MAX)} can be attached.`;
  if (files.length > FILES_MAX) return `At most ${FILES_MAX} files go with one prompt.`;
  if (together > FILES_BYTES_MAX) return `These files have ${sizeInWords(together)} together; at most ${sizeInWords(FILES_BYTES_MAX)} go with one prompt.`;
  return undefined;
}

export function sizeInWords(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1).replace(/\.0$/, "")} MiB`;
}

/** A name that is a file's on every machine. */
export function fileName(given: string): string {
  const plain = given.replace(/[\p{Cc}/\\]/gu, " ").trim();
  return plain === "" || plain === "." || plain === ".." ? "file" : clipped(plain);
}

/** The server takes 200 bytes; what stands behind the last dot is kept. */
function clipped(name: string): string {
  const dot = name.lastIndexOf(".");
  const end = dot > 0 && name.length - dot <= 10 ? name.slice(dot) : "";
  let begin = name.slice(0, name.length - end.length);
  while (new TextEncoder().encode(begin + end).length > 200) begin = [...begin].slice(0, -1).join("");
  return begin + end;
}

export interface Plan {
  readonly width: number;
  readonly height: number;
  readonly type: "image/jpeg" | "image/png";
}

/** How an image is made smaller; nothing when it stays as it is. A picture that moves stays. */
export function planOf(image: { type: string; width: number; height: number; bytes: number }): Plan | undefined {
  const longest = Math.max(image.width, image.height);
  if (image.type === "image/gif" || (longest <= IMAGE_PIXELS_MAX && image.bytes <= IMAGE_BYTES_SHOWN)) return undefined;
  const scale = Math.min(1, IMAGE_PIXELS_MAX / longest);
  const side = (pixels: number) => Math.max(1, Math.round(pixels * scale));
  // A screenshot keeps its sharp letters; one that is large at its size is a photo.
  const type = image.type === "image/png" && longest > IMAGE_PIXELS_MAX ? "image/png" : "image/jpeg";
  return { width: side(image.width), height: side(image.height), type };
}

/** The files in the frame of a prompt, as far as they can be read. */
export function attachmentsOf(frame: unknown): Attachment[] {
  const list = (frame as { attachments?: unknown } | null | undefined)?.attachments;
  return Array.isArray(list) ? list.filter(isAttachment) : [];
}

function isAttachment(one: unknown): one is Attachment {
  const { hash, name, media_type, bytes } = (one ?? {}) as Partial<Attachment>;
  return typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash) && typeof name === "string" && typeof media_type === "string" && typeof bytes === "number";
}
