/** Tells the server whether somebody looks at this page: who looks is not notified. */
import type { AskPush } from "./wire";

/** Says it now and with each change. Gives back how to stop. */
export function reportLooking(ask: AskPush): () => void {
  const say = () => {
    // An older server does not know it; a connection that goes meanwhile looks at nothing any more.
    void ask("device_looking", { visible: document.visibilityState === "visible" }).catch(() => {});
  };
  const stop = new AbortController();
  document.addEventListener("visibilitychange", say, { signal: stop.signal });
  say();
  return () => stop.abort();
}
