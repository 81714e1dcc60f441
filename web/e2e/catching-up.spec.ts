/** What happens while a page is still finding out what there is. */
import { type Page } from "@playwright/test";
import { addProject, another, anyWidth, enter, expect, test } from "./harness";

interface Held {
  /** The page asked to follow a project. */
  readonly asked: Promise<void>;
  /** The server hears of it. */
  readonly release: () => void;
}

/** Keeps back what this page asks of a project's topic. */
async function holdFollowing(page: Page): Promise<Held> {
  let [asked, release] = [() => {}, () => {}];
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  const until = new Promise<void>((resolve) => (release = resolve));
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage(async (message) => {
      if (/"subscribe".*"project:/.test(String(message))) {
        asked();
        await until;
      }
      server.send(message);
    });
  });
  return { asked: isAsked, release };
}

test("what fails before its project is followed needs somebody all the same", anyWidth, async ({ page, afield }) => {
  const directory = await afield.directory("broken");
  await afield.cli("projects", "add", directory, "--agent", "demo");
  const { asked, release } = await holdFollowing(page);
  const entered = enter(page, afield);
  await asked;
  await expect(afield.cli("run", "-p", directory, "fail please")).rejects.toThrow();
  release();
  await entered;
  await expect(page.getByRole("link", { name: /Needs me.*1 waiting/ })).toBeVisible();
});

test("what fails in a new project before it is followed needs somebody all the same", anyWidth, async ({ page, afield }) => {
  const directory = await afield.directory("broken");
  const { asked, release } = await holdFollowing(page);
  await enter(page, afield);
  await afield.cli("projects", "add", directory, "--agent", "demo");
  await asked;
  await expect(afield.cli("run", "-p", directory, "fail please")).rejects.toThrow();
  release();
  await expect(page.getByRole("link", { name: /Needs me.*1 waiting/ })).toBeVisible();
});

test("a new page counts a failure as the one that saw it does: until its project went on", anyWidth, async ({ paired: page, afield, browser }) => {
  const [broken, mended] = [await afield.directory("broken"), await afield.directory("mended")];
  for (const directory of [broken, mended]) {
    await afield.cli("projects", "add", directory, "--agent", "demo");
    await expect(afield.cli("run", "-p", directory, "fail please")).rejects.toThrow();
  }
  const needs = (at: Page, count: number) => at.getByRole("link", { name: `Needs me : ${count} waiting` });
  await expect(needs(page, 2)).toBeVisible();
  await afield.cli("run", "-p", mended, "hello");
  await expect(needs(page, 1)).toBeVisible();
  await expect(needs(await another(browser, afield), 1)).toBeVisible();
});

test("the last line of a project is the newest, not the one that was kept", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  const say = (word: string) => afield.cli("run", "-p", `${afield.folder}/demo`, "--agent", "command", "--", "echo", word);
  await page.goto(`${afield.url}/projects`);
  const row = page.getByRole("link", { name: /demo/ });
  await say("monday");
  await expect(row).toContainText("monday");
  await page.goto("about:blank");
  await say("tuesday");
  await page.goto(`${afield.url}/projects`);
  await expect(row).toContainText("tuesday");
});

test("what is done to devices, holds and dead letters elsewhere is seen, and not undone from here", anyWidth, async ({ paired: page, afield }) => {
  const made = await afield.cli("token", "create", "--name", "script", "--scopes", "view,prompt,shell", "--json");
  const { device_id } = JSON.parse(made) as { device_id: string };
  await page.goto(`${afield.url}/machines/${device_id}`);
  await expect(page.getByRole("heading", { name: "script" })).toBeVisible();
  await page.getByRole("button", { name: "Change what it may do" }).click();
  await page.getByRole("checkbox", { name: /^Approve/ }).check();
  await afield.cli("devices", "scopes", device_id, "view");
  await afield.cli("devices", "rename", device_id, "robot");
  await expect(page.getByRole("heading", { name: "robot" })).toBeVisible();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText(/view.*look again/i)).toBeVisible();
  await expect(page.getByText("look", { exact: true })).toBeVisible();
  await afield.cli("devices", "forget", device_id);
  await expect(page.getByRole("heading", { name: "No such device" })).toBeVisible();

  await page.getByRole("link", { name: "Queue" }).first().click();
  await afield.cli("queue", "hold", "--all");
  await expect(page.getByText("Everything is held:")).toBeVisible();
  await afield.cli("queue", "release", "--all");
  await expect(page.getByText("Everything is held:")).toHaveCount(0);
});
