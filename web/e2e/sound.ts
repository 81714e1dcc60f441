/** What holds for every screen: axe finds nothing, and nothing is wider than the screen. */
import { readFileSync } from "node:fs";
import type { AxeResults } from "axe-core";
import { expect, type Page } from "@playwright/test";

const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** The rules that look at colours: what another theme can break. */
export const COLOURS = ["color-contrast", "link-in-text-block"];

/** `only`: some rules of axe instead of all that it has by default. */
export async function expectSound(page: Page, only?: readonly string[]): Promise<void> {
  await expect(page.locator("h1").last()).toBeVisible();
  // Colours in the middle of a change have no fixed contrast.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity).map((one) => one.finished)));
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((rules) => {
    const { axe } = window as unknown as { axe: { run(options: object): Promise<AxeResults> } };
    return axe.run(rules === undefined ? {} : { runOnly: { type: "rule", values: rules } });
  }, only);
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`)).toEqual([]);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wider).toBe(0);
}
