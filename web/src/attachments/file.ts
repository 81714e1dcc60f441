/** From what a person picked to what is kept and uploaded. */
import type { Attachment } from "../generated/protocol";
import type { LocalFile } from "../outbox/entry";
import { fileName, mediaTypeOf, OCTETS, planOf } from "./kinds";

const JPEG_QUALITY = 0.88;

/** Reads a file; a large image becomes a smaller one. **Errors**: the browser's, when it can't be read. */
export async function localFile(file: File): Promise<LocalFile> {
  const bytes = new Uint8Array(await (await shrunk(file)).arrayBuffer());
  const attachment: Attachment = { hash: await hashOf(bytes), name: named(file.name, bytes), media_type: mediaTypeOf(bytes), bytes: bytes.length };
  return { attachment, bytes };
}

/** A photo that became a JPEG is called one. */
function named(name: string, bytes: Uint8Array): string {
  const plain = fileName(name);
  const isJpeg = mediaTypeOf(bytes) === "image/jpeg";
  return isJpeg && !/\.jpe?g$/i.test(plain) ? fileName(`${plain.replace(/\.\w{1,5}$/, "")}.jpg`) : plain;
}

async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function shrunk(file: File): Promise<Blob> {
  if (!file.type.startsWith("image/") || file.type === "image/svg+xml") return file;
  // What the browser can't show it can't make smaller either: it goes as it is.
  const image = await createImageBitmap(file).catch(() => undefined);
  if (!image) return file;
  try {
    const plan = planOf({ type: file.type, width: image.width, height: image.height, bytes: file.size });
    return plan ? await drawn(image, plan) : file;
  } finally {
    image.close();
  }
}

async function drawn(image: ImageBitmap, plan: { width: number; height: number; type: string }): Promise<Blob> {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [plan.width, plan.height];
  const paper = canvas.getContext("2d");
  if (!paper) throw new Error("this browser can't make the image smaller");
  paper.drawImage(image, 0, 0, plan.width, plan.height);
  return new Promise((resolve, reject) => {
    const done = (blob: Blob | null) => (blob ? resolve(blob) : reject(new Error("this browser can't make the image smaller")));
    canvas.toBlob(done, plan.type, JPEG_QUALITY);
  });
}

/** As the browser shows or saves it; what is no image is only ever saved. */
export function blobOf(bytes: BlobPart, media_type: string): Blob {
  return new Blob([bytes], { type: media_type.startsWith("image/") ? media_type : OCTETS });
}
