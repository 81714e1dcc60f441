/** The requests about notifications, as far as this screen needs them: tests answer them themselves. */
import type { Requests } from "../../generated/protocol";
import type { App } from "../../state/app.svelte";

type Name = "push_key" | "push_subscribe" | "push_unsubscribe" | "push_settings" | "push_test" | "push_log" | "device_looking";

/** Asks one of them. */
export type AskPush = <K extends Name>(type: K, data?: Partial<Requests[K]["data"]>) => Promise<Requests[K]["reply"]>;

export function askThrough(app: App): AskPush {
  return (type, data = {}) => app.request(type, data);
}
