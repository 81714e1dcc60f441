import type { Page } from "@playwright/test";
import { addProject, anyWidth, expect, test } from "./harness";
import type { Afield } from "./server";
import { expectSound } from "./sound";

/** Holds the project `demo` and sends it these. */
async function fill(afield: Afield, ...prompts: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const prompt of prompts) {
    const sent = await afield.cli("run", "-p", `${afield.folder}/demo`, "--detach", "--json", prompt);
    ids.push((JSON.parse(sent) as { command_id: string }).command_id);
  }
  return ids;
}

async function waitingIds(afield: Afield): Promise<string[]> {
  return (JSON.parse(await afield.cli("queue", "ls", "--json")) as { id: string }[]).map(({ id }) => id);
}

const row = (page: Page, title: string) => page.getByRole("listitem").filter({ hasText: title });
const grip = (page: Page, title: string) => page.getByRole("button", { name: `Move “${title}”` });

test("what waits is moved by hand and by keyboard, and the server has the order", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await afield.cli("queue", "hold", "--all");
  const [first, second, third] = await fill(afield, "first thing", "second thing", "third thing");
  await page.goto(`${afield.url}/queue`);
  await expect(page.getByText("Everything is held:")).toBeVisible();
  await expect(row(page, "third thing")).toBeVisible();
  await shot("queue-held");

  await grip(page, "third thing").focus();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByText("Now number 2 of 3.")).toBeAttached();
  expect(await waitingIds(afield)).toEqual([first, third, second]);

  const [from, to] = [await grip(page, "second thing").boundingBox(), await grip(page, "first thing").boundingBox()];
  if (!from || !to) throw new Error("the grips are not on the screen");
  await page.mouse.move(from.x + 20, from.y + 20);
  await page.mouse.down();
  await page.mouse.move(to.x + 20, to.y + 10, { steps: 8 });
  await shot("queue-drag");
  await page.mouse.up();
  await expect(page.getByText("Now number 1 of 3.")).toBeAttached();
  expect(await waitingIds(afield)).toEqual([second, first, third]);

  await afield.cli("queue", "move", third ?? "", "--first");
  await expect(page.getByRole("list").getByRole("link", { name: /thing/ })).toContainText(["third thing", "second thing", "first thing"]);
});

/** The order of the queue on the browser's disk. */
function keptOrder(page: Page): Promise<string[] | undefined> {
  return page.evaluate(async () => {
    dispatchEvent(new Event("pagehide"));
    const opening = indexedDB.open("afield");
    await new Promise((resolve) => (opening.onsuccess = resolve));
    const asking = opening.result.transaction("snapshot").objectStore("snapshot").get("known");
    await new Promise((resolve) => (asking.onsuccess = resolve));
    opening.result.close();
    return (asking.result as { world: { queue?: { order: string[] } } } | undefined)?.world.queue?.order;
  });
}

test("without a server the queue has the order and the holds it had, after a reload too", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await afield.cli("queue", "hold", "--all");
  const [first, second, third] = await fill(afield, "first thing", "second thing", "third thing");
  await page.goto(`${afield.url}/queue`);
  await grip(page, "third thing").focus();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByText("Now number 2 of 3.")).toBeAttached();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await expect.poll(() => keptOrder(page)).toEqual([first, third, second]);
  await afield.kill();
  await page.reload();
  await expect(page.getByText("Everything is held:")).toBeVisible();
  await expect(page.getByRole("list").getByRole("link", { name: /thing/ })).toContainText(["first thing", "third thing", "second thing"]);
});

test("one command: why it waits, edited, cancelled and taken back", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  const [running, waits] = await fill(afield, "work 60", "then this");
  await page.goto(`${afield.url}/queue/${waits}`);
  await expect(page.getByText(/Behind command “work 60” of the same order/)).toBeVisible();
  await expect(page.getByText("On the server's disk")).toBeVisible();
  await expectSound(page);
  await shot("command-waits");

  await page.getByRole("button", { name: "Edit" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit" });
  await dialog.getByLabel("Prompt").fill("then that");
  await dialog.getByLabel("Priority").selectOption("high");
  await expectSound(page);
  await shot("command-edit");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("heading", { name: "then that" })).toBeVisible();
  await expect(page.getByText("high", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("Held, and about to be cancelled.")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(page.getByRole("button", { name: "Hold", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("button", { name: "Start it again" })).toBeVisible({ timeout: 20_000 });

  await page.goto(`${afield.url}/queue/${running}`);
  await expect(page.getByText(/running for/).filter({ visible: true }).first()).toBeVisible();
  const stop = page.getByRole("button", { name: "Hold to stop it" });
  await stop.dispatchEvent("pointerdown");
  await expect(page.getByRole("button", { name: "Start it again" })).toBeVisible();
  await shot("command-stopped");
});

test("what was given up says why, and several are put back or forgotten", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  for (const prompt of ["fail one", "fail two"]) {
    await afield.cli("run", "-p", `${afield.folder}/demo`, "--detach", "--retry", "2", prompt);
  }
  await page.goto(`${afield.url}/queue`);
  await expect(page.getByText("given up: failed")).toHaveCount(2);
  await expectSound(page);
  await shot("queue-dead");

  await page.getByRole("link", { name: /fail one/ }).click();
  await expect(page.getByRole("heading", { name: "Its 2 tries" })).toBeVisible();
  await expectSound(page);
  await shot("command-dead");

  await page.goto(`${afield.url}/queue`);
  await page.getByRole("button", { name: "Select" }).click();
  await page.getByRole("checkbox", { name: /fail one/ }).check();
  await page.getByRole("checkbox", { name: /fail two/ }).check();
  await expect(page.getByText("2 chosen")).toBeVisible();
  await expectSound(page);
  await shot("queue-select");
  await page.getByRole("button", { name: "Hold to forget" }).dispatchEvent("pointerdown");
  await expect(page.getByRole("heading", { name: "Nothing waits" })).toBeVisible();
  expect(JSON.parse(await afield.cli("queue", "dead", "--json"))).toEqual([]);
  await shot("queue-empty");
});

test("a machine, a project or everything is held and released", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/queue`);
  await page.getByRole("button", { name: "Holds" }).click();
  await page.getByRole("button", { name: "Hold demo" }).click();
  await expect(page.getByText(/held by/)).toBeVisible();
  await expectSound(page);
  await shot("holds");
  await page.getByRole("button", { name: "Close" }).click();
  await fill(afield, "not yet");
  await expect(page.getByText("its project is held")).toBeVisible();
  await page.getByRole("link", { name: "Projects" }).first().click();
  await expect(page.getByText("waiting", { exact: true })).toBeVisible();
  await page.getByRole("link", { name: "Queue" }).first().click();
  await page.getByRole("button", { name: "Holds" }).click();
  await page.getByRole("button", { name: "Release demo" }).click();
  await page.getByRole("button", { name: "Close" }).click();
  await expect(page.getByRole("heading", { name: "Nothing waits" })).toBeVisible();
});

test("what is not sent yet is in the queue, in the dark as well", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await addProject(page, afield, "demo");
  await fill(afield, "work 60", "one more");
  await page.goto(`${afield.url}/queue`);
  await expect(page.getByText("waits its turn")).toBeVisible();
  await afield.kill();
  await page.getByRole("link", { name: "New" }).first().click();
  await page.getByLabel("Prompt").fill("for later");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(page.getByRole("heading", { name: "demo", level: 1 })).toBeVisible();
  await page.getByRole("link", { name: "Queue" }).first().click();
  await expect(page.getByText("sent when there is a connection")).toBeVisible();
  await expect(page.getByText("was running")).toBeVisible();
  await expectSound(page);
  await shot("queue-unsent-dark");
});

test("what has arguments instead of words can be edited", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await afield.cli("queue", "hold", "--all");
  await afield.cli("run", "-p", `${afield.folder}/demo`, "--agent", "command", "--detach", "--", "echo", "hello");
  await page.goto(`${afield.url}/queue`);
  await page.getByRole("link", { name: /echo hello/ }).click();
  await page.getByRole("button", { name: "Edit" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit" });
  await expect(dialog.getByText("echo hello")).toBeVisible();
  await expect(dialog.getByRole("textbox", { name: "Command line" })).toHaveCount(0);
  await dialog.getByLabel("Priority").selectOption("high");
  await expectSound(page);
  await shot("command-edit-program");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText("high", { exact: true })).toBeVisible();
});
