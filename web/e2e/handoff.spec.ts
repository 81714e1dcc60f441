import { addProject, another, anyWidth, expect, test } from "./harness";
import { expectSound } from "./sound";

test("a session goes on on another screen, and comes back", async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await second.getByRole("link", { name: /demo/ }).click();
  await expect(second.getByText("Also open on Chrome on Linux.")).toBeVisible();
  await second.getByRole("button", { name: "Continue here" }).click();
  await expect(page.getByText("Continued on Chrome on Linux.")).toBeVisible();
  await expect(second.getByText(/Also open/)).toHaveCount(0);
  await expectSound(page);
  await shot("handoff-taken");

  await page.getByRole("button", { name: "Bring it back" }).click();
  await expect(second.getByText("Continued on Chrome on Linux.")).toBeVisible();
  await expect(page.getByText(/Continued on/)).toHaveCount(0);
});

test("a session is sent to another device, which is asked", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await page.getByRole("button", { name: "Continue on another device" }).click();
  await expectSound(page);
  await shot("handoff-send");
  await page.getByRole("dialog").getByRole("button", { name: "Chrome on Linux" }).click();
  await expect(second.getByText("Chrome on Linux asks you to go on here with demo.")).toBeVisible();
  await shot("handoff-asked", second);
  await second.getByRole("button", { name: "Continue here" }).click();
  await expect(second.getByRole("heading", { name: "demo" })).toBeVisible();
  await expect(page.getByText("Continued on Chrome on Linux.")).toBeVisible();
});

test("a screen that reloads has its focus again", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  const holder = async () => (JSON.parse(await afield.cli("handoff", "--json")) as { holder?: { screen: string } }).holder?.screen;
  await expect.poll(holder).toBeDefined();
  const before = await holder();
  await page.reload();
  await expect(page.getByRole("heading", { name: "demo" })).toBeVisible();
  await expect.poll(holder).toBe(before);
});

test("a copy of a tab is another screen", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await expect.poll(() => page.evaluate(() => sessionStorage.getItem("afield.screen"))).not.toBeNull();
  const [id, address] = [await page.evaluate(() => sessionStorage.getItem("afield.screen") ?? ""), page.url()];
  const copy = await page.context().newPage();
  await copy.addInitScript((same) => sessionStorage.setItem("afield.screen", same), id);
  await copy.goto(address);
  await expect(copy.getByText("Also open on another window of this device.")).toBeVisible();
  await copy.getByRole("button", { name: "Continue here" }).click();
  await expect(page.getByText("Continued on another window of this device.")).toBeVisible();
});

test("the page of another device tells what it has open, and brings it here", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await second.goto(`${afield.url}/machines`);
  await second.getByRole("link", { name: /Chrome on Linux.*browser ·/s }).click();
  await expect(second.getByText(/It has demo open/)).toBeVisible();
  await shot("handoff-device", second);
  await second.getByRole("button", { name: "Continue here" }).click();
  await expect(second.getByRole("heading", { name: "demo" })).toBeVisible();
  await expect(page.getByText("Continued on Chrome on Linux.")).toBeVisible();
});

test("a project pinned on one device is at the top on the other", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "first");
  await page.goto(`${afield.url}/projects`);
  await addProject(page, afield, "second-and-so-long-that-no-phone-has-room-for-it");
  await page.goto(`${afield.url}/projects`);
  const other = await another(browser, afield);
  await expect(other.getByRole("listitem").filter({ hasText: "idle" }).first()).toContainText("second");
  for (const state of await other.getByText("idle", { exact: true }).all()) await expect(state).toBeInViewport({ ratio: 1 });
  await page.getByRole("button", { name: "Pin first" }).click();
  await expect(other.getByRole("listitem").filter({ hasText: "idle" }).first()).toContainText("first");
  await expect(page.getByRole("button", { name: "Pin first" })).toHaveAttribute("aria-pressed", "true");
  await expectSound(page);
  await shot("projects-pinned");
});
