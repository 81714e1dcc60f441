import { addProject, anyWidth, expect, test } from "./harness";
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

test("every screen, light and dark: no axe finding, nothing wider than the screen", async ({ paired: page, afield, shot }) => {
  test.slow();
  const look = async (name: string) => {
    for (const theme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await expectSound(page);
      await shot(`${name}-${theme}`);
    }
  };
  await addProject(page, afield, "demo");
  await page.getByLabel("Prompt").fill("ask about it");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(page.getByRole("link", { name: /Needs me.*1 waiting/ })).toBeVisible();
  await look("session");
  for (const screen of SCREENS) {
    await page.goto(`${afield.url}/${screen}`);
    await look(screen.replace("/", "-"));
  }
  await page.goto(`${afield.url}/projects`);
  await page.getByRole("button", { name: "Add a project" }).first().click();
  await look("add-project");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Directory").fill(`${afield.folder}/not-there`);
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("Name a directory that is there");
  await expect(dialog.getByText(/afield explain/)).not.toBeVisible();
  await dialog.getByText("Details", { exact: true }).click();
  await expect(dialog.getByText("INVALID_PATH", { exact: true })).toBeVisible();
  await look("add-project-refused");
});

test("an address that names no screen says so, and leads back", anyWidth, async ({ paired: page, afield, shot }) => {
  for (const address of ["/projects/a/b", "/queue/%E0%A4%A"]) {
    await page.goto(`${afield.url}${address}`);
    await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
    await expect(page.getByText(address)).toBeVisible();
  }
  await expectSound(page);
  await shot("no-such-page");
  await page.getByRole("link", { name: "Go to Projects" }).click();
  await expect(page.getByRole("heading", { name: "Projects" })).toBeVisible();
});
