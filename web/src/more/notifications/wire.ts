/** The requests about notifications. A server that is older knows none of them and refuses the first. */
import type { App } from "../../state/app.svelte";

export type PushKind = "approval" | "question" | "failure" | "dead_letter" | "finished" | "runner";

export interface QuietHours {
  /** `HH:MM`. */
  readonly from: string;
  readonly to: string;
  readonly time_zone: string;
  /** Approvals and questions come all the same. */
  readonly urgent: boolean;
}

export interface PushSettings {
  readonly kinds: readonly PushKind[];
  readonly quiet?: QuietHours;
}

export interface PushState {
  readonly settings: PushSettings;
  /** The push service; absent without a subscription. */
  readonly service?: string;
  readonly subscribed_at?: string;
}

export interface PushDelivery {
  readonly at: string;
  /** Absent for a test. */
  readonly kind?: PushKind;
  readonly title: string;
  readonly outcome: "sent" | "failed" | "gone";
  readonly tries: number;
  readonly status?: number;
  readonly reason?: string;
}

export interface PushRequests {
  push_key: { data: object; reply: { public_key: string } };
  push_subscribe: { data: { endpoint: string; keys: { p256dh: string; auth: string }; settings?: PushSettings }; reply: PushState };
  push_unsubscribe: { data: object; reply: PushState };
  push_settings: { data: { settings?: PushSettings }; reply: PushState };
  push_test: { data: object; reply: PushDelivery };
  device_looking: { data: { visible: boolean }; reply: object };
  push_log: { data: { limit?: number }; reply: { deliveries: readonly PushDelivery[] } };
}

/** Asks one of them. */
export type AskPush = <K extends keyof PushRequests>(type: K, data?: PushRequests[K]["data"]) => Promise<PushRequests[K]["reply"]>;

export function askThrough(app: App): AskPush {
  return (type, data = {}) => app.request(type as never, data as never) as Promise<never>;
}
