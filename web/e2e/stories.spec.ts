import type { Locator, Page } from "@playwright/test";
import { addProject, another, expect, test } from "./harness";

test("a question answered elsewhere is answered on every screen", async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await page.getByLabel("Prompt").fill("please ask me");
  await page.getByRole("button", { name: "Send" }).click();
  for (const screen of [page, second]) {
    await expect(screen.getByRole("link", { name: /Needs me.*1 waiting/ })).toBeVisible();
    await screen.goto(`${afield.url}/needs-me`);
    await expect(screen.getByText("1 waiting, oldest first")).toBeVisible();
  }
  await shot("needs-me-two-screens", second);

  await afield.cli("approvals", "answer", "--allow");
  for (const screen of [page, second]) {
    await expect(screen.getByRole("link", { name: /Needs me.*waiting/ })).toHaveCount(0);
  }
});

test.describe("with a machine of its own", () => {
  test.use({ kind: "server" });

  test("what is sent to a machine that is away runs when it is back", async ({ paired: page, afield, shot }) => {
    await afield.startRunner("far");
    await addProject(page, afield, "demo");
    await afield.killRunner();
    await expect(seen(page, "machine away")).toBeVisible();

    await page.getByLabel("Prompt").fill("for later");
    await page.getByRole("button", { name: "Send" }).click();
    const stream = page.getByRole("region", { name: "Messages" });
    await expect(stream.getByText(/on the server/)).toBeVisible();
    await shot("session-machine-away");

    await afield.startRunner("far");
    await expect(stream.getByText("You said: “for later”")).toHaveCount(1);
    await expect(stream.getByText(/^Done/)).toBeVisible();
  });

  test("a server that dies in mid-stream: the page says so, and catches up without a reload", async ({ paired: page, afield, shot }) => {
    await afield.startRunner("far");
    await addProject(page, afield, "demo");
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));
    await page.getByLabel("Prompt").fill("work 8");
    await page.getByRole("button", { name: "Send" }).click();
    const stream = page.getByRole("region", { name: "Messages" });
    await expect(seen(page, "working")).toBeVisible();
    await afield.kill();

    await expect(page.getByRole("status").getByText(/Not connected.*Shown: as of/)).toBeVisible();
    await expect(seen(page, "was working")).toBeVisible();
    await expect(seen(page, "working")).toHaveCount(0);
    await shot("session-server-gone");

    await afield.startAgain();
    await expect(stream.getByText(/^Done/)).toBeVisible({ timeout: 30_000 });
    await expect(page.getByText(/Not connected/)).toHaveCount(0);
    await expect(stream.getByText(/is not loaded here|events are missing/)).toHaveCount(0);
    await expect(seen(page, "idle")).toBeVisible();
    expect(await page.evaluate(() => "sameDocument" in window)).toBe(true);
  });
});

test("without a network: typed, sent, kept, and sent once on return", async ({ paired: page, afield, context, shot }) => {
  await addProject(page, afield, "demo");
  await context.setOffline(true);
  await expect(page.getByText(/No network/)).toBeVisible();
  await page.getByLabel("Prompt").fill("from the train");
  await page.getByRole("button", { name: "Send" }).click();
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText(/on this device/)).toBeVisible();
  await shot("session-no-network");

  await context.setOffline(false);
  await expect(stream.getByText("You said: “from the train”")).toHaveCount(1);
  await expect(stream.getByText(/on this device/)).toHaveCount(0);
  const commands = await afield.cli("queue", "ls", "--all", "--json");
  expect(commands.match(/"summary":\s*"from the train"/g)).toHaveLength(1);
});

/** These words where they can be seen: the list beside a session is hidden on a phone. */
function seen(page: Page, words: string): Locator {
  return page.getByText(words, { exact: true }).filter({ visible: true }).first();
}
