/** The browser's hints that the link may work again, or does not. Gives back how to stop listening. */
import type { Link } from "./link";

export function wake(link: Link): () => void {
  const look = () => {
    if (document.visibilityState === "visible") link.nudge();
  };
  const back = () => link.nudge();
  const gone = () => link.networkLost();
  const stop = new AbortController();
  const { signal } = stop;
  document.addEventListener("visibilitychange", look, { signal });
  addEventListener("focus", look, { signal });
  addEventListener("pageshow", look, { signal });
  addEventListener("online", back, { signal });
  addEventListener("offline", gone, { signal });
  // Optional (Chrome): a change from one network to another leaves sockets that never say so.
  const connection = (navigator as Navigator & { connection?: EventTarget }).connection;
  connection?.addEventListener("change", back, { signal });
  return () => stop.abort();
}
