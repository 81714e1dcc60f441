import type { BrowserContext, Page, Worker } from "@playwright/test";
import { addProject, anyWidth, expect, test, withNotifications } from "./harness";
import { serveNewer } from "./newer";
import { picture } from "./picture";
import { expectSound } from "./sound";

const APPROVAL = { kind: "approval", title: "demo asks", body: "Bash: ls", tag: "p1", approval_id: "a1", project_id: "p1", token: "T0KEN", danger: "normal" };
const TAP = "**/api/v1/approvals/one-tap";

test("what other apps share stands behind what was written on New, arrives once, and goes with the prompt", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/new`);
  const prompt = page.getByRole("textbox", { name: "Prompt" });
  const files = page.getByRole("list", { name: "Goes with the prompt" });
  await prompt.fill("half a thought");
  await expect(page.getByText(/Starts at once on/)).toBeVisible();

  await share(page, { title: "A page", url: "https://example.org/<script>" }, [
    { name: "photo.png", mimeType: "image/png", buffer: picture(2400, 600) },
    { name: "build.log", mimeType: "text/plain", buffer: Buffer.from("it failed") },
    { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) },
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("why") },
  ]);
  await expect(prompt).toHaveValue("half a thought\n\nA page\n\nhttps://example.org/<script>");
  await expect(files.getByRole("listitem")).toHaveCount(3);
  await expect(page.getByText("empty.txt is empty.")).toBeVisible();
  await expect(page).toHaveURL(`${afield.url}/new`);
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`shared-${theme}`);
  }

  await page.reload();
  await expect(files.getByRole("listitem")).toHaveCount(3);
  await expect(prompt).toHaveValue("half a thought\n\nA page\n\nhttps://example.org/<script>");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(page.getByRole("region", { name: "Messages" }).getByText(/^Done/)).toBeVisible();
  const history = await afield.cli("history", "-p", "demo", "--kind", "prompt");
  for (const name of ["photo.png (image/png", "build.log (text/plain, 9 B)", "notes.txt (text/plain, 3 B)"]) expect(history.split(name), name).toHaveLength(2);
  await page.goto(`${afield.url}/new`);
  await expect(page.getByText("Write what is to be done.")).toBeVisible();
  await expect(files).toHaveCount(0);
});

test("what is shared waits until New is opened for it; what can't be kept is said", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const post = (text: string, fileBytes: number) =>
    page.evaluate(async ({ text, fileBytes }) => {
      const body = new FormData();
      body.append("text", text);
      if (fileBytes > 0) body.append("files", new File([new Uint8Array(fileBytes)], "large.bin"));
      return (await fetch("/share", { method: "POST", body })).url;
    }, { text, fileBytes });
  expect(await post("one", 0)).toBe(`${afield.url}/new?shared=kept`);
  await post("two", 0);
  const tooLarge = await post("three", 65 * 1024 * 1024);

  const prompt = page.getByRole("textbox", { name: "Prompt" });
  await page.goto(`${afield.url}/new`);
  await expect(page.getByText("Write what is to be done.")).toBeVisible();
  await expect(prompt).toHaveValue("");
  await page.goto(tooLarge);
  await expect(prompt).toHaveValue("one\n\ntwo");
  await expect(page.getByText("What was shared is too large.")).toBeVisible();
  await shot("shared-too-large");

  // As when the browser forgot the worker's part between the two.
  await page.goto(`${afield.url}/new?shared`);
  await expect(page.getByText("What was shared did not arrive.")).toBeVisible();
  await expect(prompt).toHaveValue("one\n\ntwo");
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

test("a tab of an app from before is named where it is in the way", anyWidth, async ({ page, afield, context, shot }) => {
  const older = await context.newPage();
  await older.goto(`${afield.url}/manifest.webmanifest`);
  await older.evaluate(async () => {
    const opening = indexedDB.open("afield", 1);
    await new Promise((resolve) => (opening.onsuccess = resolve));
  });
  await page.goto(afield.url);
  await expect(page.getByText("another tab shows an older Afield")).toBeVisible();
  await expectSound(page);
  await shot("older-tab");
  await older.close();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Pair this browser" })).toBeVisible();
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

/** Posts what another app shares as the manifest says, which leads the page to New. */
async function share(page: Page, texts: Record<string, string>, files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
  await page.evaluate(async (texts) => {
    await navigator.serviceWorker.ready;
    const { share_target } = (await (await fetch("/manifest.webmanifest")).json()) as { share_target: { action: string; method: string; enctype: string; params: { files: { name: string }[] } } };
    const { action, method, enctype, params } = share_target;
    const form = Object.assign(document.createElement("form"), { id: "sharing", action, method, enctype });
    for (const [name, value] of Object.entries(texts)) form.append(Object.assign(document.createElement("input"), { name, value }));
    form.append(Object.assign(document.createElement("input"), { type: "file", multiple: true, name: params.files[0]?.name }));
    document.body.append(form);
  }, texts);
  await page.locator("#sharing input[type=file]").setInputFiles(files);
  await page.locator("#sharing").evaluate((form: HTMLFormElement) => form.submit());
}

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
