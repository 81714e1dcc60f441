import type { BrowserContext, Page, Worker } from "@playwright/test";
import { addProject, anyWidth, expect, test, withNotifications } from "./harness";
import { serveNewer } from "./newer";

const APPROVAL = { kind: "approval", title: "demo asks", body: "Bash: ls", tag: "p1", approval_id: "a1", project_id: "p1", token: "T0KEN", danger: "normal" };
const TAP = "**/api/v1/approvals/one-tap";

test("what another app shares becomes a prompt", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  const manifest = (await (await page.request.get(`${afield.url}/manifest.webmanifest`)).json()) as { share_target: { action: string; params: Record<string, string> } };
  const { action, params } = manifest.share_target;
  const query = new URLSearchParams({ [params["title"] ?? ""]: "A page", [params["url"] ?? ""]: "https://example.org/<script>" });
  await page.goto(`${afield.url}${action}?${query}`);
  await expect(page.getByRole("textbox", { name: "Prompt" })).toHaveValue("A page\n\nhttps://example.org/<script>");
  await shot("shared");
});

test("icons are there in every form the manifest and the page name", anyWidth, async ({ page, afield }) => {
  const manifest = (await (await page.request.get(`${afield.url}/manifest.webmanifest`)).json()) as { icons: { src: string; type: string }[] };
  for (const { src, type } of [...manifest.icons, { src: "/icon-180.png", type: "image/png" }]) {
    const answer = await page.request.get(afield.url + src);
    expect(answer.status(), src).toBe(200);
    expect(answer.headers()["content-type"], src).toBe(type);
  }
});

test("a newer app waits until the person takes it", anyWidth, async ({ paired: page, afield }) => {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await expect(page.getByRole("heading", { name: "Projects" })).toBeVisible();
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  const isSame = () => page.evaluate(() => "sameDocument" in window);

  await afield.kill();
  const newer = await serveNewer(new URL(afield.url));
  await page.evaluate(() => navigator.serviceWorker.ready.then((registration) => registration.update()).then(() => undefined));
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.ready.then(({ waiting }) => waiting?.state))).toBe("installed");
  await newer.stop();
  await afield.startAgain();

  await expect(page.getByText("A newer version of this app is here.")).toBeVisible();
  expect(await isSame()).toBe(true);
  await page.getByRole("button", { name: "Use it" }).click();
  // While the page is being replaced there is none to ask.
  await expect.poll(() => isSame().catch(() => undefined)).toBe(false);
  await expect(page.getByRole("heading", { name: "Projects" })).toBeVisible();
});

test("a push is shown; its buttons answer without the app; what fails is said", withNotifications, async ({ paired: page, afield, context }) => {
  const { worker, push } = await pushing(page, context, afield.url);
  await push(JSON.stringify(APPROVAL));
  expect(await shown(page)).toEqual([{ title: "demo asks", body: "Bash: ls" }]);

  const answers: unknown[] = [];
  await context.route(TAP, (route) => {
    answers.push(route.request().postDataJSON());
    return route.fulfill({ status: answers.length === 1 ? 200 : 409, contentType: "application/json", body: JSON.stringify({ code: "CONFLICT", message: "somebody was faster." }) });
  });
  await tap(worker, "allow");
  await expect.poll(() => answers).toEqual([{ token: "T0KEN", behavior: "allow" }]);
  await expect.poll(() => shown(page)).toEqual([]);

  await push(JSON.stringify({ ...APPROVAL, danger: "destructive" }));
  await tap(worker, "deny");
  await expect.poll(() => shown(page)).toEqual([{ title: "Your answer did not arrive", body: "somebody was faster. Open Afield to answer." }]);
  expect(answers.at(-1)).toEqual({ token: "T0KEN", behavior: "deny" });
});

test("a push nobody can read is shown too, and a tap leads an open page there", withNotifications, async ({ paired: page, afield, context }) => {
  const { worker, push } = await pushing(page, context, afield.url);
  await push("no json");
  expect(await shown(page)).toEqual([{ title: "Afield", body: "Something happened. Open the app to see it." }]);
  await page.evaluate(() => navigator.serviceWorker.dispatchEvent(new MessageEvent("message", { data: { go: "/queue" } })));
  await expect(page.getByRole("heading", { name: "Queue" })).toBeVisible();
  await page.evaluate(() => navigator.serviceWorker.dispatchEvent(new MessageEvent("message", { data: { go: "https://evil.example" } })));
  await expect(page).toHaveURL(`${afield.url}/queue`);
  expect(worker.url()).toBe(`${afield.url}/sw.js`);
});

test("one question is answered without a key or a connection, and the token leaves the address", anyWidth, async ({ page, afield, shot }) => {
  const answers: unknown[] = [];
  await page.route(TAP, (route) => {
    answers.push(route.request().postDataJSON());
    return route.fulfill({ status: 200, contentType: "application/json", body: "{}" });
  });
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  const address = (rest: object) => `${afield.url}/a#${new URLSearchParams({ token: "T0KEN", title: "demo asks", body: "Bash: rm \u202e-rf build", ...rest })}`;

  await page.goto(address({}));
  await expect(page.getByText("demo asks")).toBeVisible();
  await expect(page.getByText("RLO")).toBeVisible();
  await expect(page).toHaveURL(`${afield.url}/a`);
  await shot("one-tap");
  await page.getByRole("button", { name: "Allow once" }).click();
  await expect(page.getByRole("heading", { name: "Allowed once" })).toBeVisible();

  await page.goto("about:blank");
  await page.goto(address({ danger: "destructive" }));
  await shot("one-tap-destructive");
  const hold = page.getByRole("button", { name: "Hold to allow once" });
  await hold.click();
  await expect(hold).toBeVisible();
  await hold.focus();
  await page.keyboard.down("Enter");
  await expect(page.getByRole("heading", { name: "Allowed once" })).toBeVisible();
  expect(answers).toEqual([
    { token: "T0KEN", behavior: "allow", confirmed: false },
    { token: "T0KEN", behavior: "allow", confirmed: true },
  ]);
  expect(sockets).toEqual([]);

  await page.goto(`${afield.url}/a`);
  await expect(page.getByRole("heading", { name: "Nothing is asked here" })).toBeVisible();
});

/** A page whose service worker is at work, and a push service to it. */
async function pushing(page: Page, context: BrowserContext, url: string): Promise<{ worker: Worker; push(text: string): Promise<void> }> {
  await context.grantPermissions(["notifications"], { origin: url });
  const session = await context.newCDPSession(page);
  const registration = new Promise<string>((resolve) => {
    session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const own = registrations.find(({ scopeURL, isDeleted }) => scopeURL === `${url}/` && !isDeleted);
      if (own) resolve(own.registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const registrationId = await registration;
  const [worker] = context.serviceWorkers();
  if (!worker) throw new Error("there is no service worker");
  const push = async (data: string) => {
    await session.send("ServiceWorker.deliverPushMessage", { origin: url, registrationId, data });
    await expect.poll(async () => (await shown(page)).length).toBeGreaterThan(0);
  };
  return { worker, push };
}

function shown(page: Page): Promise<{ title: string; body: string }[]> {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    return (await registration.getNotifications()).map(({ title, body }) => ({ title, body }));
  });
}

/** Taps the button of the notification that is shown. */
async function tap(worker: Worker, action: string): Promise<void> {
  await worker.evaluate(async (chosen) => {
    const scope = self as unknown as ServiceWorkerGlobal;
    const [notification] = await scope.registration.getNotifications();
    scope.dispatchEvent(new scope.NotificationEvent("notificationclick", { notification, action: chosen }));
  }, action);
}

interface ServiceWorkerGlobal extends EventTarget {
  registration: ServiceWorkerRegistration;
  NotificationEvent: new (type: string, details: { notification: Notification | undefined; action: string }) => Event;
}
