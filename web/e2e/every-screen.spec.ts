import { addProject, expect, test } from "./harness";
import { expectSound } from "./sound";

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
      await expectSound(page);
      await shot(`${screen.replace("/", "-")}-${theme}`);
    }
    await page.goto(`${afield.url}/projects`);
    await page.getByRole("button", { name: "Add a project" }).first().click();
    await expectSound(page);
    await shot(`add-project-${theme}`);
  });
}
