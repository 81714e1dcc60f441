// The service worker: keeps the app's files, so that it opens without a network. It keeps nothing
// else: no answer of the server is ever stored here.
declare const self: ServiceWorkerGlobalScope;
export {};

/** The build fills these in (`build/shell-of-worker.ts`). */
const SHELL = "__AFIELD_SHELL__".split("\n");
const CACHE = "afield-__AFIELD_BUILD__";

/** Answered by the server alone. */
const NOT_THE_APP = /^\/(api\/|ws$|healthz$|readyz$|metrics$|sw\.js$)/;

self.addEventListener("install", (event) => {
  event.waitUntil(keepShell());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(Promise.all([forgetOlderBuilds(), self.clients.claim()]));
});

/** The page says when: an update in the middle of a sentence would lose the sentence. */
self.addEventListener("message", (event) => {
  if (event.data === "take-over") void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || NOT_THE_APP.test(url.pathname)) return;
  event.respondWith(answer(request));
});

async function keepShell(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.map((path) => new Request(path, { cache: "no-cache" })));
}

async function forgetOlderBuilds(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
}

/** Every page of the app is its first page; the rest is found by its name, whatever `Vary` says. */
async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const wanted = request.mode === "navigate" ? "/" : request;
  return (await cache.match(wanted, { ignoreVary: true })) ?? fetch(request);
}
