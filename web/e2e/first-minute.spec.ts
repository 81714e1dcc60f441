import { addProject, expect, test } from "./harness";

test("from a link to a running agent", async ({ paired: page, afield, shot }) => {
  expect(page.url()).not.toContain("pair=");
  await expect(page.getByText("No project yet")).toBeVisible();
  await shot("projects-empty");

  await addProject(page, afield, "demo");
  await expect(page.getByText("Nothing was said here yet")).toBeVisible();

  await page.getByLabel("Prompt").fill("hello there");
  await page.getByRole("button", { name: "Send" }).click();
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("Prompts are on disk before they start")).toBeVisible();
  await expect(stream.getByText(/^Done/)).toBeVisible();
  await shot("session");

  await page.goto(`${afield.url}/projects`);
  await expect(page.getByText("idle")).toBeVisible();
  await shot("projects");
});
