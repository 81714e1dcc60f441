/**
 * This browser's subscription to notifications.
 *
 * **Optional feature**: Web Push. iPhones and iPads have it only once the app is on the home screen.
 */
import type { PushState } from "../../generated/protocol";
import type { AskPush } from "./wire";

export type Ability = "able" | "refused" | "install-first" | "unable";

/** Whether this browser can be notified, as far as it tells without asking the person. */
export function ability(): Ability {
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
    return /iPhone|iPad/.test(navigator.userAgent) ? "install-first" : "unable";
  }
  return Notification.permission === "denied" ? "refused" : "able";
}

/** Asks the person, subscribes at the browser's push service, and tells the server. */
export async function subscribe(ask: AskPush): Promise<PushState | undefined> {
  if ((await Notification.requestPermission()) !== "granted") return undefined;
  const { public_key } = await ask("push_key");
  const { pushManager } = await navigator.serviceWorker.ready;
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key });
  const { endpoint, keys } = subscription.toJSON();
  return ask("push_subscribe", { endpoint: endpoint ?? "", keys: { p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" } });
}

/** The server forgets it first: it must not send to what is gone. */
export async function unsubscribe(ask: AskPush): Promise<PushState> {
  const state = await ask("push_unsubscribe");
  const { pushManager } = await navigator.serviceWorker.ready;
  await (await pushManager.getSubscription())?.unsubscribe();
  return state;
}

/** Whether this browser still holds a subscription: the server can't know that it was lost. */
export async function isSubscribed(): Promise<boolean> {
  const registration = await navigator.serviceWorker?.getRegistration();
  return (await registration?.pushManager?.getSubscription()) != null;
}
