// The service worker: keeps the app's files, so that it opens without a network, shows what the
// server pushes, and takes what other apps share. No answer of the server is ever stored here.
import { noticeOf, type Pushed, pushedFrom, tapOn } from "./notice";
import { SHARE_PATH, SHARED_CACHE, takeShare } from "./share";

declare const self: ServiceWorkerGlobalScope;

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
  if (url.origin !== self.location.origin || NOT_THE_APP.test(url.pathname)) return;
  if (request.method === "GET") event.respondWith(answer(request));
  if (request.method === "POST" && url.pathname === SHARE_PATH) event.respondWith(takeShare(request));
});

self.addEventListener("push", (event) => {
  event.waitUntil(show(pushedFrom(event.data?.text())));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const pushed = event.notification.data as Pushed;
  const hasActions = ((Notification as { maxActions?: number }).maxActions ?? 0) > 0;
  const tap = tapOn(pushed, event.action, hasActions);
  event.waitUntil(tap.is === "open" ? open(tap.path) : answerApproval(tap, pushed));
});

function show(pushed: Pushed): Promise<void> {
  const { title, options } = noticeOf(pushed);
  return self.registration.showNotification(title, options as NotificationOptions);
}

/** Answers at once; what did not arrive is said, and can be answered in the app. */
async function answerApproval({ token, behavior }: { token: string; behavior: string }, pushed: Pushed): Promise<void> {
  const body = JSON.stringify({ token, behavior });
  const request = { method: "POST", headers: { "content-type": "application/json" }, body };
  const response = await fetch("/api/v1/approvals/one-tap", request).catch(() => undefined);
  if (response?.ok) return;
  const why = response ? ((await response.json().catch(() => ({}))) as { message?: string }).message : "The server does not answer.";
  const { token: _, ...told } = pushed;
  await show({ ...told, title: "Your answer did not arrive", body: `${why ?? `The server answered ${response?.status}.`} Open Afield to answer.` });
}

/** In a window that is there, or in a new one. */
async function open(path: string): Promise<void> {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const window = windows[0];
  if (!window || path.startsWith("/a#")) return void (await self.clients.openWindow(path));
  window.postMessage({ go: path });
  await window.focus();
}

async function keepShell(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.map((path) => new Request(path, { cache: "no-cache" })));
}

async function forgetOlderBuilds(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE && name !== SHARED_CACHE).map((name) => caches.delete(name)));
}

/** Every page of the app is its first page; the rest is found by its name, whatever `Vary` says. */
async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const wanted = request.mode === "navigate" ? "/" : request;
  return (await cache.match(wanted, { ignoreVary: true })) ?? fetch(request);
}
