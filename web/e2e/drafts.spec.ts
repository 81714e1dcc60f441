import type { Page } from "@playwright/test";
import { addProject, another, anyWidth, expect, test } from "./harness";

const prompt = (page: Page) => page.getByLabel("Prompt", { exact: true });
const messages = (page: Page) => page.getByRole("region", { name: "Messages" });

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
