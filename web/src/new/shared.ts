/** What other apps shared with this one ("send to Afield"), from where the service worker left it. */
import { SHARED_CACHE } from "../disk/disk";

export interface Shared {
  readonly text: string;
  readonly files: readonly File[];
}

export interface Taken {
  readonly found: number;
  /** Of these, those that could not be read; they are gone as well. */
  readonly unreadable: number;
}

/** Hands over all that waits, the oldest first. It waits until `take` is done, so that none is lost, and comes to one tab only. */
export function takeShared(take: (shared: Shared) => Promise<void>): Promise<Taken> {
  return navigator.locks.request(SHARED_CACHE, async () => {
    const cache = await caches.open(SHARED_CACHE);
    const waiting = await cache.keys();
    const forms = await Promise.all(waiting.map(async (one) => (await cache.match(one))?.formData().catch(() => undefined)));
    const read = forms.filter((form) => form !== undefined);
    if (read.length > 0) await take({ text: joined(read.map(textOf)), files: read.flatMap(filesOf) });
    for (const one of waiting) await cache.delete(one);
    return { found: waiting.length, unreadable: waiting.length - read.length };
  });
}

/** Without repetitions: many apps say the same as title and as text. */
export function textOf(form: FormData): string {
  const parts = ["title", "text", "url"].map((name) => form.get(name));
  return joined([...new Set(parts.map((part) => (typeof part === "string" ? part.trim() : "")))]);
}

export function filesOf(form: FormData): File[] {
  return form.getAll("files").flatMap((one) => (one instanceof File && one.name !== "" ? [one] : []));
}

/** Texts under each other, those that say something. */
export function joined(texts: readonly string[]): string {
  return texts.filter((text) => text.trim() !== "").join("\n\n");
}

/** What did not arrive, in words. `mark`: what the service worker says of what was shared last. */
export function remarkOf(mark: string, { found, unreadable }: Taken): string | undefined {
  if (mark === "too-large") return "What was shared is too large. Share fewer files at once.";
  if (mark === "failed") return "What was shared could not be kept: there may be no room on this device.";
  if (unreadable > 0) return "Some of what was shared can't be read.";
  return found === 0 ? "What was shared did not arrive. Share it again." : undefined;
}
