/**
 * This browser's subscription to notifications.
 *
 * **Optional feature**: Web Push. iPhones and iPads have it only once the app is on the home screen.
 */
import * as disk from "../../disk/disk";
import type { PushState } from "../../generated/protocol";
import { renewalOf } from "./renewal";
import type { AskPush } from "./wire";

export type Ability = "able" | "refused" | "install-first" | "unable";

/** Whether this browser can be notified, as far as it tells without asking the person. */
export function ability(): Ability {
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
    return /iPhone|iPad/.test(navigator.userAgent) ? "install-first" : "unable";
  }
  return Notification.permission === "denied" ? "refused" : "able";
}

/** Where this browser keeps what it told the server last. */
const TOLD = "push-told";

/** Asks the person, subscribes at the browser's push service, and tells the server. */
export async function subscribe(ask: AskPush): Promise<PushState | undefined> {
  return (await Notification.requestPermission()) === "granted" ? subscribeAllowed(ask) : undefined;
}

/** When the app opens: a subscription the browser replaced or lost meanwhile is renewed. */
export async function renew(ask: AskPush): Promise<void> {
  if (ability() !== "able") return;
  const held = await subscription();
  const [told, { service }] = await Promise.all([disk.get<string>("settings", TOLD), ask("push_settings")]);
  const allowed = Notification.permission === "granted";
  const renewal = renewalOf({ allowed, held: held?.toJSON().endpoint, told, known: service !== undefined });
  if (renewal === "tell" && held) await tell(ask, held);
  if (renewal === "subscribe") await subscribeAllowed(ask);
}

async function subscribeAllowed(ask: AskPush): Promise<PushState> {
  const { public_key } = await ask("push_key");
  const { pushManager } = await navigator.serviceWorker.ready;
  return tell(ask, await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key }));
}

async function tell(ask: AskPush, subscription: PushSubscription): Promise<PushState> {
  const { endpoint = "", keys } = subscription.toJSON();
  const state = await ask("push_subscribe", { endpoint, keys: { p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" } });
  await disk.put("settings", TOLD, endpoint);
  return state;
}

/** The server forgets it first: it must not send to what is gone. */
export async function unsubscribe(ask: AskPush): Promise<PushState> {
  const state = await ask("push_unsubscribe");
  await disk.remove("settings", TOLD);
  const { pushManager } = await navigator.serviceWorker.ready;
  await (await pushManager.getSubscription())?.unsubscribe();
  return state;
}

/** Whether this browser still holds a subscription: the server can't know that it was lost. */
export async function isSubscribed(): Promise<boolean> {
  return (await subscription()) != null;
}

async function subscription(): Promise<PushSubscription | null | undefined> {
  const registration = await navigator.serviceWorker?.getRegistration();
  return registration?.pushManager?.getSubscription();
}
