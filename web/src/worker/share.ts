/**
 * What another app shares with this one: kept as it came until the New screen takes it
 * (`new/shared.ts`), which reads it and has limits of its own.
 */

/** The address in the manifest. */
export const SHARE_PATH = "/share";
/** As the app names it (`disk/disk.ts`). */
export const SHARED_CACHE = "afield-shared";
/** Of all that waits: ten photos as cameras make them, before New makes them smaller. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/** Leads to New, and tells it in the address whether it was kept. */
export async function takeShare(request: Request): Promise<Response> {
  const mark = await keep(request).catch(() => "failed");
  return Response.redirect(new URL(`/new?shared=${mark}`, request.url), 303);
}

async function keep(request: Request): Promise<"kept" | "too-large"> {
  const body = await request.blob();
  const cache = await caches.open(SHARED_CACHE);
  if ((await waiting(cache)) + body.size > WAITING_BYTES_MAX) return "too-large";
  const headers = { "content-type": request.headers.get("content-type") ?? "", "content-length": String(body.size) };
  await cache.put(`/shared/${crypto.randomUUID()}`, new Response(body, { headers }));
  return "kept";
}

async function waiting(cache: Cache): Promise<number> {
  const all = await cache.matchAll();
  return all.reduce((sum, { headers }) => sum + Number(headers.get("content-length")), 0);
}
