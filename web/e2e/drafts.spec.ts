import type { Page } from "@playwright/test";
import { addProject, another, anyWidth, expect, test } from "./harness";
import { expectSound } from "./sound";

const prompt = (page: Page) => page.getByLabel("Prompt", { exact: true });
const messages = (page: Page) => page.getByRole("region", { name: "Messages" });
const apart = (page: Page) => page.getByRole("region", { name: "Typed on another screen" });

/** The page of a project in another window of the same browser. */
async function window(page: Page): Promise<Page> {
  const second = await page.context().newPage();
  await second.goto(page.url());
  await expect(second.getByText("Also open on another window of this device.")).toBeVisible();
  return second;
}

async function offline(pages: readonly Page[], is: boolean): Promise<void> {
  for (const page of pages) {
    await page.context().setOffline(is);
    await page.evaluate((name) => dispatchEvent(new Event(name)), is ? "offline" : "online");
  }
}

/** The app opens without a network from now on. */
async function installed(page: Page): Promise<void> {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await expect(prompt(page)).toBeVisible();
}

/** Leaves the app, once what is known is on the disk. */
async function leave(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const kept = new Promise((resolve) => {
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (value: unknown, key?: IDBValidKey) {
        if (this.name === "snapshot") this.transaction.addEventListener("complete", resolve);
        return put.call(this, value, key);
      };
    });
    dispatchEvent(new Event("pagehide"));
    await kept;
  });
  await page.goto("about:blank");
}

test("a draft that was sent elsewhere while the app was closed is gone", anyWidth, async ({ paired: page, afield, browser }) => {
  await addProject(page, afield, "demo");
  const address = page.url();
  await prompt(page).fill("pay the bill");
  const second = await another(browser, afield);
  await second.goto(address);
  await expect(prompt(second)).toHaveValue("pay the bill");
  await leave(page);
  await second.getByRole("button", { name: "Send", exact: true }).click();
  await expect.poll(() => afield.cli("state", "ls", "--json")).not.toContain("pay the bill");
  await page.goto(address);
  await expect(messages(page).getByText(/^Done/)).toBeVisible();
  await expect(prompt(page)).toHaveValue("");
});

test("a pin that was taken away while the app was closed is gone", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  const key = `pin:${/projects\/([^/?]+)/.exec(page.url())?.[1]}`;
  await page.goto(`${afield.url}/projects`);
  const pin = page.getByRole("button", { name: "Pin demo" });
  await pin.click();
  await expect(pin).toHaveAttribute("aria-pressed", "true");
  await leave(page);
  await afield.cli("state", "rm", key);
  await page.goto(`${afield.url}/projects`);
  await expect(pin).toHaveAttribute("aria-pressed", "false");
});

test("what was sent without a connection is no draft elsewhere any more", anyWidth, async ({ paired: page, afield, browser }) => {
  await addProject(page, afield, "demo");
  const address = page.url();
  await installed(page);
  const second = await another(browser, afield);
  await second.goto(address);
  await prompt(page).fill("pay the bill");
  await expect(prompt(second)).toHaveValue("pay the bill");
  await offline([page], true);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByText("on this device, waits for a connection")).toBeVisible();
  await page.goto("about:blank");
  await page.context().setOffline(false);
  await page.goto(`${afield.url}/projects`);
  await expect(messages(second).getByText(/^Done/)).toBeVisible();
  await expect(prompt(second)).toHaveValue("");
});

test("what was typed on since it was sent stays", anyWidth, async ({ paired: page, afield, browser }) => {
  await addProject(page, afield, "demo");
  const address = page.url();
  await installed(page);
  const second = await another(browser, afield);
  await second.goto(address);
  await prompt(page).fill("pay the bill");
  await expect(prompt(second)).toHaveValue("pay the bill");
  await offline([page], true);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByText("on this device, waits for a connection")).toBeVisible();
  await prompt(second).fill("pay the bill, then the rent");
  await expect.poll(() => afield.cli("state", "ls", "--json")).toContain("then the rent");
  await page.goto("about:blank");
  await page.context().setOffline(false);
  await page.goto(`${afield.url}/projects`);
  await expect(messages(second).getByText(/^Done/)).toBeVisible();
  await expect(prompt(second)).toHaveValue("pay the bill, then the rent");
  await expect.poll(() => afield.cli("state", "ls", "--json")).toContain("then the rent");
});

test("of texts typed apart in two windows of one browser none is lost", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  const second = await window(page);
  await offline([page, second], true);
  await prompt(page).fill("typed in the first");
  await prompt(second).fill("typed in the second");
  await offline([page, second], false);
  await expect(apart(page).getByText("typed in the second")).toBeVisible();
  await expect(apart(second).getByText("typed in the first")).toBeVisible();
  await expect(prompt(page)).toHaveValue("typed in the first");
  await expect(prompt(second)).toHaveValue("typed in the second");
  await expectSound(second);
  await shot("draft-windows", second);

  await Promise.all([page.reload(), second.reload()]);
  await expect(apart(page).getByText("typed in the second")).toBeVisible();
  await expect(apart(second).getByText("typed in the first")).toBeVisible();
  await expect(prompt(page)).toHaveValue("typed in the first");
  await expect(prompt(second)).toHaveValue("typed in the second");

  await apart(second).getByRole("button", { name: "Keep both" }).click();
  await expect(apart(second)).toHaveCount(0);
  await expect(apart(page)).toHaveCount(0);
  await expect(prompt(page)).toHaveValue("typed in the second\n\ntyped in the first");
});

test("a text that was typed without a connection is taken over from a window that is gone, once", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await installed(page);
  await offline([page], true);
  await prompt(page).fill("kept in a window that goes");
  const address = page.url();
  const [next, another] = [await page.context().newPage(), await page.context().newPage()];
  await next.goto(address);
  await expect(prompt(next)).toBeVisible();
  // The window that typed it is open and has it.
  await expect(prompt(next)).toHaveValue("");
  await next.goto("about:blank");
  await page.close();
  await next.goto(address);
  await expect(prompt(next)).toHaveValue("kept in a window that goes");
  await next.reload();
  await expect(prompt(next)).toHaveValue("kept in a window that goes");
  await another.goto(address);
  await expect(prompt(another)).toBeVisible();
  await expect(prompt(another)).toHaveValue("");
  await offline([next, another], false);
  await expect.poll(() => afield.cli("state", "ls", "--json")).toContain("kept in a window that goes");
  await expect(prompt(another)).toHaveValue("kept in a window that goes");
  await expect(apart(next)).toHaveCount(0);
});
