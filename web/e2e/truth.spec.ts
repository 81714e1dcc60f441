import { addProject, another, anyWidth, expect, test } from "./harness";

test("what is written without a connection is sent once, when it is back", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await afield.kill();
  await expect(page.getByRole("status").getByText(/Not connected/)).toBeVisible();

  await page.getByLabel("Prompt").fill("written offline");
  await page.getByRole("button", { name: "Send" }).click();
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("on this device")).toBeVisible();
  await shot("session-unsent");

  await afield.startAgain();
  await expect(stream.getByText("You said: “written offline”")).toHaveCount(1);
  await expect(stream.getByText("on this device")).toHaveCount(0);
  await expect(page.getByText(/Not connected/)).toHaveCount(0);
  await expect(stream.getByText(/^Done/)).toBeVisible();
  const commands = await afield.cli("queue", "ls", "--all", "--json");
  expect(commands.match(/"summary":\s*"written offline"/g)).toHaveLength(1);
});

test("the app opens without a server, and says how old what it shows is", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/projects`);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await expect(page.getByText("idle", { exact: true })).toBeVisible();
  await page.evaluate(() => dispatchEvent(new Event("pagehide")));
  await expect.poll(() => page.evaluate(projectsOnDisk)).toBe(1);
  await afield.kill();

  await page.reload();
  await expect(page.getByRole("link", { name: /demo/ })).toBeVisible();
  await expect(page.getByText(/Shown: as of/)).toBeVisible();
  await expect(page.getByText("was idle")).toBeVisible();
  await shot("projects-offline");
});

test("a second browser is a device of its own, and a thrown-out one is shown nothing more", anyWidth, async ({ paired: page, afield, browser }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await expect(second.getByRole("link", { name: /demo/ })).toBeVisible();

  const devices = JSON.parse(await afield.cli("devices", "list", "--json")) as { id: string; kind: string; created_at: string }[];
  const browsers = devices.filter(({ kind }) => kind === "browser").sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
  expect(browsers).toHaveLength(2);
  await afield.cli("devices", "revoke", browsers[1]?.id ?? "");
  await expect(second.getByRole("heading", { name: "This browser was thrown out" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "demo" })).toBeVisible();
});

test("a link used in a browser that was not paired is the only way in", anyWidth, async ({ page, afield, shot }) => {
  await page.goto(afield.url);
  await expect(page.getByRole("heading", { name: "Pair this browser" })).toBeVisible();
  await page.getByLabel("Link or code").fill("BCDF-GHJK");
  await page.getByRole("button", { name: "Pair" }).click();
  await expect(page.getByRole("alert")).toContainText("UNAUTHORIZED");
  await shot("pair");
});

/** How many projects the page would show without a server. */
function projectsOnDisk(): Promise<number> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("afield");
    opening.onerror = () => reject(opening.error ?? new Error("no database"));
    opening.onsuccess = () => {
      const asked = opening.result.transaction("snapshot").objectStore("snapshot").get("known");
      asked.onerror = () => reject(asked.error ?? new Error("no snapshot"));
      asked.onsuccess = () => {
        opening.result.close();
        resolve((asked.result as { world: { projects: Map<string, unknown> } } | undefined)?.world.projects.size ?? 0);
      };
    };
  });
}
