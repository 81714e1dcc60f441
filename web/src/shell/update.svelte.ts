/**
 * Registers the service worker, offers a newer version of the app (the person says when), and goes
 * where a notification leads.
 *
 * **Optional feature**: without service workers the app needs the network to open.
 */

import { router } from "./router.svelte";

/** Registering from an address needs a policy where Trusted Types are enforced (Chrome). */
const WORKER_URL = "/sw.js";

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

class Update {
  ready = $state(false);
  #waiting: ServiceWorker | undefined;

  async start(): Promise<void> {
    const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    if (!workers || import.meta.env.DEV) return;
    const registration = await workers.register(trusted(WORKER_URL));
    this.#look(registration);
    registration.addEventListener("updatefound", () => {
      registration.installing?.addEventListener("statechange", () => this.#look(registration));
    });
    workers.addEventListener("message", ({ data }: MessageEvent<{ go?: unknown }>) => {
      if (typeof data?.go === "string" && data.go.startsWith("/")) router.go(data.go);
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void registration.update().catch(() => {});
    });
  }

  take(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    this.#waiting?.postMessage("take-over");
  }

  #look({ waiting }: ServiceWorkerRegistration): void {
    if (!waiting || !navigator.serviceWorker.controller) return;
    this.#waiting = waiting;
    this.ready = true;
  }
}

function trusted(url: string): string {
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  const policy = types?.createPolicy("afield-worker", { createScriptURL: (wanted) => (wanted === WORKER_URL ? wanted : "") });
  return policy?.createScriptURL(url) ?? url;
}

export const update = new Update();
