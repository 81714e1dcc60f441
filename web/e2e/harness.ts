/** What every test has: a server of its own, a paired page, screenshots by name. */
import { join } from "node:path";
import { type Browser, expect, type Page, test as base } from "@playwright/test";
import { Afield, type Kind } from "./server";

interface Fixtures {
  /** Closes every browser a test opened beside its own: left open they try for ever to reach a server that is gone. */
  closing: void;
  /** What the stand-in for Claude plays; by default what a prompt names as `[[mock:NAME]]`. */
  script: string | undefined;
  /** What is started for the test. */
  kind: Kind;
  afield: Afield;
  /** A page that was let in by a link; errors it reports fail the test. */
  paired: Page;
  shot: (name: string, page?: Page) => Promise<void>;
}

export const test = base.extend<Fixtures>({
  closing: [
    async ({ browser }, use) => {
      await use();
      await Promise.all(browser.contexts().map((context) => context.close()));
    },
    { auto: true },
  ],
  script: [undefined, { option: true }],
  kind: ["up", { option: true }],
  afield: async ({ kind, script }, use) => {
    const afield = await Afield.start(kind, script);
    await use(afield);
    await afield.stop();
  },
  paired: async ({ afield, page }, use) => {
    const complaints = complaintsOf(page);
    await enter(page, afield);
    await use(page);
    expect(complaints).toEqual([]);
  },
  shot: async ({ page }, use, { project }) => {
    await use(async (name, of = page) => {
      await of.screenshot({ path: join("test-results", "screens", `${name}-${project.name}.png`) });
    });
  },
});

export { expect };

/** Of a test whose matter is the same at every width: it runs at the phone's alone. */
export const anyWidth = { tag: "@any-width" };
/** Of a test that needs a keyboard: it runs at the desktop's width alone. */
export const withKeyboard = { tag: "@with-keyboard" };
/** Of a test that has notifications shown: it runs at the phone's width, in a browser that shows them. */
export const withNotifications = { tag: "@notifications" };

/** Opens a fresh link, for these scopes instead of all, and waits until the app shows itself. */
export async function enter(page: Page, afield: Afield, ...scopes: string[]): Promise<void> {
  await page.goto(await afield.link(...scopes));
  await expect(page.getByRole("heading", { name: "Projects" })).toBeVisible();
}

/** Another browser, let in as a device of its own. */
export async function another(browser: Browser, afield: Afield, ...scopes: string[]): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await enter(page, afield, ...scopes);
  return page;
}

/** Adds a directory as a project of an agent and opens it. */
export async function addProject(page: Page, afield: Afield, name: string, agent: "demo" | "claude" = "demo"): Promise<void> {
  const path = await afield.directory(name);
  await page.getByRole("button", { name: "Add a project" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Directory").fill(path);
  await dialog.getByLabel("Agent").selectOption(agent);
  await dialog.getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("heading", { name })).toBeVisible();
}

/** Sends a prompt from the project that is open. */
export async function send(page: Page, prompt: string): Promise<void> {
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

/** What the page throws, and what its content policy refuses. */
function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && /policy|trusted/i.test(message.text())) complaints.push(message.text());
  });
  return complaints;
}
