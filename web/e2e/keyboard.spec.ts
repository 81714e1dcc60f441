import type { Page } from "@playwright/test";
import { addProject, anyWidth, expect, test, withKeyboard } from "./harness";

/** More than any screen has to stop at. */
const STOPS_MAX = 80;

test("everything can be reached and done by the keyboard alone", withKeyboard, async ({ paired: page, afield }) => {
  await press(page, "To the content");
  await expect(page.locator("#main")).toBeFocused();

  await page.goto(`${afield.url}/projects`);
  await expect(page.getByText("No project yet")).toBeVisible();
  const path = await afield.directory("demo");
  await press(page, "Add a project");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  await expectInside(page, "dialog");
  await tabTo(page, "Directory");
  await page.keyboard.type(path);
  await tabTo(page, "Agent");
  await page.keyboard.type("demo");
  await press(page, "Add");
  await expect(page.getByRole("heading", { name: "demo" })).toBeVisible();

  await tabTo(page, "Prompt");
  await page.keyboard.type("work 30");
  await page.keyboard.press("Control+Enter");
  await press(page, "Stop");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toBeFocused();
  await press(page, "Stop");
  await press(page, "Interrupt");
  await expect(page.getByText("idle").filter({ visible: true }).first()).toBeVisible();
  await expect(page.getByRole("region", { name: "Messages" }).getByText(/^Interrupted/)).toBeVisible();
});

test("a change of screen takes the focus to it, and is said", anyWidth, async ({ paired: page }) => {
  await expect(page.getByText("No project yet")).toBeVisible();
  await press(page, "Queue");
  await expect(page.getByRole("heading", { name: "Queue", level: 1 })).toBeVisible();
  await expect(page.locator("#main")).toBeFocused();
  await expect(page).toHaveTitle("Queue · Afield");
});

test("wherever the focus is, it can be seen", withKeyboard, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  for (const screen of ["projects", "queue", "more", "more/appearance", "more/history"]) {
    await page.goto(`${afield.url}/${screen}`);
    await expect(page.getByRole("heading", { level: 1 }).last()).toBeVisible();
    const invisible = await walk(page, () => {
      const focused = document.activeElement as HTMLElement;
      const shows = (element: Element | null): boolean => element !== null && getComputedStyle(element).outlineStyle !== "none";
      return focused === document.body || focused.id === "main" || shows(focused) || shows(focused.closest("label")) ? "" : focused.outerHTML.slice(0, 120);
    });
    expect(invisible, screen).toEqual([]);
  }
});

test("targets have room for a thumb", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  for (const screen of ["needs-me", "projects", "queue", "machines", "new", "more", "more/appearance", "more/history", "more/device", "more/tokens"]) {
    await page.goto(`${afield.url}/${screen}`);
    await expect(page.getByRole("heading", { level: 1 }).last()).toBeVisible();
    const small = await page.evaluate(() => {
      const all = [...document.querySelectorAll<HTMLElement>("a[href], button, select, input:not([type=radio], [type=checkbox]), textarea, label:has([type=radio], [type=checkbox])")];
      const inText = (element: HTMLElement) => element.matches("p a, .skip");
      const isSmall = (element: HTMLElement) => {
        const { width, height } = element.getBoundingClientRect();
        return width > 0 && (width < 43.5 || height < 43.5);
      };
      return all.filter((element) => !inText(element) && isSmall(element)).map((element) => element.outerHTML.slice(0, 120));
    });
    expect(small, screen).toEqual([]);
  }
});

test("a text twice as large cuts nothing off", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  for (const screen of ["needs-me", "projects", "queue", "machines", "new", "more", "more/appearance", "more/history", "more/device", "more/tokens", "more/health"]) {
    await page.goto(`${afield.url}/${screen}`);
    await expect(page.getByRole("heading", { level: 1 }).last()).toBeVisible();
    await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(wider, screen).toBe(0);
    const cut = await page.evaluate(() => {
      const right = document.documentElement.clientWidth;
      return [...document.querySelectorAll<HTMLElement>("button, a[href], h1")].filter((element) => element.getBoundingClientRect().width > 0 && element.getBoundingClientRect().right > right + 1).map((element) => element.outerHTML.slice(0, 120));
    });
    expect(cut, screen).toEqual([]);
  }
  await shot("text-twice-as-large");
});

test("a stream is not read aloud piece by piece", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const element = target instanceof Element ? target : target.parentElement;
        if (element?.closest("[role=status], [role=alert], [role=log], [aria-live]:not([aria-live=off])")) said.push(element.textContent ?? "");
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await afield.cli("run", "-p", `${afield.folder}/demo`, "--agent", "command", "--", "seq", "1", "300");
  await expect(page.getByRole("region", { name: "Messages" }).getByText("300", { exact: true })).toBeVisible();
  const said = await page.evaluate(() => (window as unknown as { said: string[] }).said);
  expect(said.length).toBeLessThan(10);
});

/** Tabs until what has this name is focused, and presses it. */
async function press(page: Page, name: string): Promise<void> {
  await tabTo(page, name);
  await page.keyboard.press("Enter");
}

async function tabTo(page: Page, name: string): Promise<void> {
  for (let stop = 0; stop < STOPS_MAX; stop++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate((wanted) => {
      const focused = document.activeElement as HTMLElement & { labels?: NodeListOf<HTMLLabelElement> };
      const names = [focused.getAttribute("aria-label"), focused.innerText, focused.labels?.[0]?.innerText];
      return names.some((one) => one?.trim().split("\n")[0] === wanted);
    }, name);
    if (found) return;
  }
  throw new Error(`the keyboard does not reach “${name}”`);
}

async function expectInside(page: Page, selector: string): Promise<void> {
  expect(await page.evaluate((wanted) => document.activeElement?.closest(wanted) !== null, selector)).toBe(true);
}

/** What `look` says at each stop of the Tab key, without the empty answers. */
async function walk(page: Page, look: () => string): Promise<string[]> {
  const said: string[] = [];
  for (let stop = 0; stop < 25; stop++) {
    await page.keyboard.press("Tab");
    said.push(await page.evaluate(look));
  }
  return said.filter((words) => words !== "");
}
