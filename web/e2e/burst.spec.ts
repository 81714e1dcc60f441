import { addProject, anyWidth, expect, test } from "./harness";
import { longestTaskMs } from "./tasks";

/** What a person notices as a stop of the page. */
const LONG_TASK_MAX_MS = 200;
const LINES = 10_000;

test("ten thousand lines leave the page responsive and complete", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  await browser.startTracing(page, { categories: ["toplevel"] });
  await afield.cli("run", "-p", `${afield.folder}/demo`, "--agent", "command", "--", "seq", "1", String(LINES));
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText(String(LINES), { exact: true })).toBeVisible();
  expect(longestTaskMs(await browser.stopTracing())).toBeLessThan(LONG_TASK_MAX_MS);
  await expect(stream.getByText("A part of the history is not loaded here.")).toHaveCount(0);
  await shot("burst");

  await stream.evaluate((view) => view.scrollTo(0, 0));
  await expect(stream.getByText("1", { exact: true })).toBeVisible();
});
