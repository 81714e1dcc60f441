import type { Page } from "@playwright/test";
import { addProject, another, anyWidth, expect, test } from "./harness";
import { expectSound } from "./sound";

async function pairing(page: Page, url: string, kind: string): Promise<void> {
  await page.goto(`${url}/machines/pair`);
  await page.getByRole("radio", { name: kind }).check();
  await page.getByRole("button", { name: "Go on" }).click();
}

/** The device's row: its page. */
const entry = (page: Page, name: string | RegExp) => page.getByRole("link", { name });

test("a browser comes by a code, and is let in for its digits", async ({ paired: page, afield, browser, shot }) => {
  await page.goto(`${afield.url}/machines/pair`);
  await expectSound(page);
  await shot("pair-start");
  await pairing(page, afield.url, "Phone");
  await expect(page.getByRole("img", { name: /QR code/ })).toBeVisible();
  const code = (await page.getByLabel(/^The code/).textContent()) ?? "";
  await expectSound(page);
  await shot("pair-code");

  const newcomer = await (await browser.newContext()).newPage();
  await newcomer.goto(afield.url);
  await newcomer.getByLabel("Link or code").fill(code);
  await newcomer.getByRole("button", { name: "Pair" }).click();
  const theirs = (await newcomer.getByLabel(/The two digits/).textContent()) ?? "none";
  await expect(page.getByLabel(/The two digits/)).toHaveText(theirs);
  await expect(page.getByText("127.0.0.1")).toBeVisible();
  await expectSound(page);
  await shot("pair-came");
  await page.getByRole("button", { name: "Yes, let it in" }).click();
  await expect(page.getByRole("heading", { name: "It is paired" })).toBeVisible();
  await expect(newcomer.getByRole("heading", { name: "Projects" })).toBeVisible();
});

test("who is refused stays outside", anyWidth, async ({ paired: page, afield, browser }) => {
  await pairing(page, afield.url, "Phone");
  const code = (await page.getByLabel(/^The code/).textContent()) ?? "";
  const newcomer = await (await browser.newContext()).newPage();
  await newcomer.goto(afield.url);
  await newcomer.getByLabel("Link or code").fill(code);
  await newcomer.getByRole("button", { name: "Pair" }).click();
  await page.getByRole("button", { name: "No, refuse it" }).click();
  await expect(page.getByText("It was not let in.")).toBeVisible();
  await expect(newcomer.getByText("The other device did not let this one in.")).toBeVisible();
});

test("a link lets one in with fewer scopes; a machine gets a command", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await page.goto(`${afield.url}/machines/pair`);
  await page.getByRole("radio", { name: "By a link" }).check();
  await page.getByRole("checkbox", { name: "Prompt" }).uncheck();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy the link" }).click();
  await expect(page.getByText("The link is copied.")).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const guest = await (await browser.newContext()).newPage();
  await guest.goto(link);
  await expect(guest.getByRole("heading", { name: "Projects" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "It is paired" })).toBeVisible();
  await page.getByRole("link", { name: "Look at it" }).click();
  await expect(page.getByText("look, approve", { exact: true })).toBeVisible();

  await pairing(page, afield.url, "A machine that works");
  await expect(page.getByText(/^afield runner --pair [A-Z]{4}-[A-Z]{4} --server http/)).toBeVisible();
  await expectSound(page);
  await shot("pair-runner");
});

test("a device is renamed, given less, and thrown out", async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await second.getByRole("link", { name: /demo/ }).click();
  await page.goto(`${afield.url}/machines`);
  await expect(entry(page, /browser, this device/)).toBeVisible();
  await page.getByRole("link", { name: /browser · / }).click();
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Lost phone");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("heading", { name: "Lost phone" })).toBeVisible();

  await page.getByRole("button", { name: "Change what it may do" }).click();
  await page.getByRole("checkbox", { name: "Prompt" }).uncheck();
  await page.getByRole("checkbox", { name: "Administer" }).uncheck();
  await expectSound(page);
  await shot("device-scopes");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("look, approve, shell")).toBeVisible();
  await expect(second.getByPlaceholder("This device may look, not send")).toBeDisabled();
  await expectSound(page);
  await shot("device");

  await page.getByRole("button", { name: "Hold to throw it out" }).dispatchEvent("pointerdown");
  await expect(second.getByRole("heading", { name: "This browser was thrown out" })).toBeVisible();
  await expect(page.getByText("revoked").filter({ visible: true }).first()).toBeVisible();
  await page.getByRole("button", { name: "Hold to forget it" }).dispatchEvent("pointerdown");
  await expect(page.getByRole("heading", { name: "Machines", level: 1 })).toBeVisible();
  await expect(entry(page, "Lost phone")).toHaveCount(0);
});

test("all others are thrown out at once", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  const second = await another(browser, afield);
  await page.goto(`${afield.url}/machines`);
  await page.getByRole("button", { name: "Throw out all others…" }).click();
  await expectSound(page);
  await shot("revoke-others");
  await page.getByRole("button", { name: "Hold to throw them out" }).dispatchEvent("pointerdown");
  await expect(second.getByRole("heading", { name: "This browser was thrown out" })).toBeVisible();
  await expect(page.getByText("1 device was thrown out.")).toBeVisible();
});

for (const theme of ["light", "dark"] as const) {
  test(`machines and one of them in ${theme}`, async ({ paired: page, afield, shot }) => {
    await page.emulateMedia({ colorScheme: theme });
    await addProject(page, afield, "demo");
    await page.goto(`${afield.url}/machines`);
    await expect(entry(page, /online/).first()).toBeVisible();
    await expectSound(page);
    await shot(`machines-list-${theme}`);
    await entry(page, /online\s.*\bdemo\b/).click();
    await expect(page.getByRole("link", { name: /\/demo/ })).toBeVisible();
    await page.getByRole("button", { name: "Hold", exact: true }).click();
    await expect(page.getByText("nothing new starts here")).toBeVisible();
    await expectSound(page);
    await shot(`machine-${theme}`);
  });
}

test("a machine is given labels, and what is none is refused in the server's words", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.goto(`${afield.url}/machines`);
  await entry(page, /online\s.*\bdemo\b/).click();
  const typed = page.getByLabel("New label");
  await typed.fill("<img src=x>");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("letters, digits");
  await typed.fill("gpu");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  const labels = page.getByRole("list", { name: "Labels" });
  await expect(labels.getByText("gpu")).toBeVisible();
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expectSound(page);
  await shot("machine-labels");
  await page.getByRole("button", { name: "Remove gpu" }).click();
  await expect(labels.getByText("gpu")).toHaveCount(0);
});
