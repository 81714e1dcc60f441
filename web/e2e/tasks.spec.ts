import { expect, test } from "@playwright/test";
import { anyWidth } from "./harness";
import { longestTaskMs } from "./tasks";

/** Long enough to take far more of the processor than is allowed, also on a machine that is busy. */
const BUSY_MS = 2_000;

test("a task that is long is measured as long", anyWidth, async ({ page, browser }) => {
  await browser.startTracing(page, { categories: ["toplevel"] });
  await page.evaluate((ms) => {
    for (const until = performance.now() + ms; performance.now() < until; );
  }, BUSY_MS);
  expect(longestTaskMs(await browser.stopTracing())).toBeGreaterThan(200);
});

test("a trace that holds no task of a page is none", anyWidth, () => {
  expect(() => longestTaskMs(Buffer.from('{"traceEvents":[]}'))).toThrow("no task");
});
