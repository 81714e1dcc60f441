import type { Page } from "@playwright/test";
import { addProject, anyWidth, expect, test } from "./harness";
import { expectSound } from "./sound";

/** Something to find: a hundred and fifty lines, with a needle near their beginning. */
async function fillProject(page: Page, afield: { folder: string; cli(...args: string[]): Promise<string> }): Promise<void> {
  const lines = `seq 1 20; echo the needle; seq 21 150`;
  await afield.cli("run", "-p", `${afield.folder}/demo`, "--agent", "command", "--", "sh", "-c", lines);
  await expect(page.getByRole("region", { name: "Messages" }).getByText("150", { exact: true })).toBeVisible();
}

test("what was said is found, and opens its session at that place", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await fillProject(page, afield);
  await page.goto(`${afield.url}/more/history`);
  await page.getByLabel("Search for").fill("NEEDLE");
  const result = page.getByRole("link", { name: /the needle.*demo.*output/ });
  await expect(result).toBeVisible();
  await expect(page.locator("mark")).toHaveText("needle");
  await shot("history");

  await result.click();
  await expect(page).toHaveURL(/\/projects\/.*\?at=\d+$/);
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("the needle")).toBeInViewport();
  await expect(stream.getByText("150", { exact: true })).not.toBeInViewport();
  await shot("session-at-a-place");

  await page.goBack();
  await expect(result).toBeVisible();
  await page.getByLabel("Of what kind").selectOption("prompts");
  await expect(page.getByText("Nothing found")).toBeVisible();
});

test("the audit log tells who did what, and is checked", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/more/audit`);
  await expect(page.getByText(/let “Chrome on Linux” in with the scopes/)).toBeVisible();
  await page.getByRole("button", { name: "Check the record" }).click();
  await expect(page.getByText(/The record is whole/)).toBeVisible();
  await shot("audit");
});

test("a token is made, shown once, works, and is thrown out", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.goto(`${afield.url}/more/tokens`);
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("Name").fill("backup script");
  await shot("token-new");
  await page.getByRole("button", { name: "Make it" }).click();
  const token = await page.getByText(/^afd_/).textContent();
  const ask = () => page.request.get(`${afield.url}/api/v1/projects`, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask()).status()).toBe(200);
  await shot("token-made");
  await page.getByRole("button", { name: "Close" }).click();
  await expect(page.getByText(/^afd_/)).toHaveCount(0);
  await expect(page.getByText("backup script").first()).toBeVisible();
  await shot("tokens");

  const revoke = page.getByRole("button", { name: "Hold to revoke backup script" });
  await revoke.hover();
  await page.mouse.down();
  await expect(page.getByText("Thrown out.")).toBeVisible();
  await page.mouse.up();
  await expect(revoke).toHaveCount(0);
  expect((await ask()).status()).toBe(401);
});

test("the defaults of a project are kept by the server", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/more/defaults`);
  await expect(page.getByRole("button", { name: "Save" })).toBeDisabled();
  await page.getByLabel("Model").fill("small");
  await page.getByLabel("When it asks").selectOption("Plan only");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText(/Saved/)).toBeVisible();
  await shot("defaults");
  await page.reload();
  await expect(page.getByLabel("Model")).toHaveValue("small");
  await expect(page.getByLabel("When it asks")).toHaveValue("plan");
  await expect(page.getByRole("combobox", { name: "Agent" })).toHaveValue("demo");
});

test("the looks a person chose are there at once after a reload", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.goto(`${afield.url}/more/appearance`);
  await page.getByText("Dark", { exact: true }).click();
  await page.getByText("Larger", { exact: true }).click();
  await page.getByText("Reduced", { exact: true }).click();
  await shot("appearance");
  await page.reload();
  const looks = await page.evaluate(() => ({ ...document.documentElement.dataset }));
  expect(looks).toEqual({ theme: "dark", text: "larger", motion: "reduced" });
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(paper).toBe("rgb(19, 20, 22)");
});

test("health and versions are measured now, and say so", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.goto(`${afield.url}/more/health`);
  await expect(page.getByText(/^(all is well|something is not well)$/)).toBeVisible();
  await expect(page.getByText(/One write, until on disk/)).toBeVisible();
  await expect(page.getByText("connected", { exact: true })).toBeVisible();
  await shot("health");
  await page.goto(`${afield.url}/more/about`);
  await expect(page.getByText("same as the server").first()).toBeVisible();
  await shot("about");
});

test("what this device prefers is where new work starts", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "alpha");
  await page.goto(afield.url);
  await addProject(page, afield, "beta");
  await page.goto(`${afield.url}/more/device`);
  await page.getByLabel("Project of new work").selectOption("alpha");
  await expect(page.getByLabel("Project of new work")).toHaveValue(/.+/);
  await page.getByRole("combobox", { name: "Agent" }).selectOption("demo");
  await expectSound(page);
  await shot("device-prefers");
  await expect.poll(() => afield.cli("state", "ls", "--json")).toContain('"agent":"demo"');
  await page.goto(`${afield.url}/new`);
  await expect(page.getByRole("combobox", { name: /^Project/ }).locator("option:checked")).toHaveText("alpha");
});

test("a browser leaves: its key is gone, and the server knows", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.goto(`${afield.url}/more/device`);
  await expect(page.getByText(/May/).first()).toBeVisible();
  await shot("device");
  await page.getByRole("button", { name: "Clear what is kept for reading" }).click();
  await expect(page.getByText(/Cleared/)).toBeVisible();
  await page.getByRole("button", { name: "Hold to leave this server" }).focus();
  await page.keyboard.down("Enter");
  await expect(page.getByRole("heading", { name: "Pair this browser" })).toBeVisible();
  const devices = JSON.parse(await afield.cli("devices", "list", "--json")) as { kind: string; revoked_at?: string }[];
  expect(devices.filter(({ kind, revoked_at }) => kind === "browser" && revoked_at === undefined)).toEqual([]);
});
