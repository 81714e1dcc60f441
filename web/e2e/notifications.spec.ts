import type { Page } from "@playwright/test";
import { anyWidth, expect, test, withNotifications } from "./harness";

/** What the server would know about this device's notifications. */
interface Kept {
  settings: { kinds: string[]; quiet?: object };
  service?: string;
  /** How often this device subscribed. */
  subscribed?: number;
  deliveries: object[];
}

test("notifications are turned on, chosen, tested, and turned off", withNotifications, async ({ paired: page, afield, shot }) => {
  const kept: Kept = { settings: { kinds: ["approval", "failure"] }, deliveries: [] };
  await answering(page, kept);
  await page.context().grantPermissions(["notifications"], { origin: afield.url });
  await page.goto(`${afield.url}/more/notifications`);
  await shot("notifications-off");
  await page.getByRole("button", { name: "Turn on" }).click();
  await expect(page.getByText("On, through push.example")).toBeVisible();

  await expect(page.getByRole("switch", { name: "Finished" })).not.toBeChecked();
  await page.getByRole("switch", { name: "Finished" }).click();
  await expect.poll(() => kept.settings.kinds).toEqual(["approval", "failure", "finished"]);
  await page.getByRole("switch", { name: /certain hours/ }).click();
  await page.getByLabel("From").fill("23:30");
  await page.getByLabel("From").blur();
  await expect.poll(() => kept.settings.quiet).toMatchObject({ from: "23:30", to: "07:00", urgent: true });

  await page.getByRole("button", { name: "Send a test" }).click();
  await expect(page.getByText(/not delivered \(answer 503, 3 tries\) ·/)).toBeVisible();
  await shot("notifications-on");

  await page.getByRole("button", { name: "Turn off" }).click();
  await expect(page.getByRole("button", { name: "Turn on" })).toBeVisible();
  expect(kept.service).toBeUndefined();
});

test("a subscription the browser lost is renewed when the app opens", withNotifications, async ({ paired: page, afield }) => {
  const kept: Kept = { settings: { kinds: ["approval"] }, service: "push.example", deliveries: [] };
  await answering(page, kept);
  await page.context().grantPermissions(["notifications"], { origin: afield.url });
  await page.reload();
  await expect.poll(() => kept.subscribed).toBe(1);
  await page.reload();
  await expect.poll(() => kept.subscribed).toBe(2);
});

test("a browser that refuses notifications says what to do", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.addInitScript(() => Object.defineProperty(Notification, "permission", { get: () => "denied" }));
  await answering(page, { settings: { kinds: [] }, deliveries: [] });
  await page.goto(`${afield.url}/more/notifications`);
  await expect(page.getByText("This browser refuses notifications")).toBeVisible();
  await shot("notifications-refused");
});

/** Answers what is asked about notifications; a browser in a test reaches no push service. */
async function answering(page: Page, kept: Kept): Promise<void> {
  await page.addInitScript(() => {
    let held: object | null = null;
    const subscription = { toJSON: () => ({ endpoint: "https://push.example/x", keys: { p256dh: "k", auth: "a" } }), unsubscribe: async () => void (held = null) };
    Object.assign(PushManager.prototype, { subscribe: async () => (held = subscription), getSubscription: async () => held });
  });
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      const { type, id, data } = JSON.parse(String(text)) as { type: string; id: string; data: { settings?: Kept["settings"] } };
      const reply = replyTo(type, data, kept);
      if (reply === undefined) server.send(text);
      else socket.send(JSON.stringify({ type, id, data: reply }));
    });
    server.onMessage((text) => socket.send(text));
  });
}

function replyTo(type: string, data: { settings?: Kept["settings"] }, kept: Kept): object | undefined {
  const { settings, service, deliveries } = kept;
  switch (type) {
    case "push_key":
      return { public_key: "B" };
    case "push_subscribe":
      kept.service = "push.example";
      kept.subscribed = (kept.subscribed ?? 0) + 1;
      return { settings, service: kept.service };
    case "push_unsubscribe":
      delete kept.service;
      return { settings };
    case "push_settings":
      kept.settings = data.settings ?? settings;
      return { settings: kept.settings, service };
    case "push_test":
      return { at: new Date().toISOString(), title: "A test", outcome: "failed", tries: 3, status: 503 };
    case "push_log":
      return { deliveries };
    default:
      return undefined;
  }
}
