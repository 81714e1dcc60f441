import { readFileSync } from "node:fs";
import type { AxeResults } from "axe-core";
import type { Page } from "@playwright/test";
import { addProject, expect, test } from "./harness";

const SCREENS = [
  "needs-me",
  "projects",
  "queue",
  "machines",
  "new",
  "more",
  "more/history",
  "more/audit",
  "more/notifications",
  "more/appearance",
  "more/defaults",
  "more/tokens",
  "more/device",
  "more/health",
  "more/about",
];
const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

for (const theme of ["light", "dark"] as const) {
  test(`every screen in ${theme}: no axe finding, nothing wider than the screen`, async ({ paired: page, afield, shot }) => {
    test.slow();
    await page.emulateMedia({ colorScheme: theme });
    await addProject(page, afield, "demo");
    await page.getByLabel("Prompt").fill("ask about it");
    await page.getByRole("button", { name: "Send" }).click();
    await expect(page.getByRole("link", { name: /Needs me.*1 waiting/ })).toBeVisible();
    await expectSound(page);
    await shot(`session-${theme}`);
    for (const screen of SCREENS) {
      await page.goto(`${afield.url}/${screen}`);
      await expect(page.getByRole("heading", { level: 1 }).last()).toBeVisible();
      await expectSound(page);
      await shot(`${screen.replace("/", "-")}-${theme}`);
    }
    await page.goto(`${afield.url}/projects`);
    await page.getByRole("button", { name: "Add a project" }).first().click();
    await expectSound(page);
    await shot(`add-project-${theme}`);
  });
}

async function expectSound(page: Page): Promise<void> {
  // Colours in the middle of a change have no fixed contrast.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity).map((one) => one.finished)));
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run());
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`)).toEqual([]);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wider).toBe(0);
}
