import { addProject, anyWidth, expect, send, test } from "./harness";
import { expectSound } from "./sound";

test("what failed waits until it is put away or run again", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await send(page, "fail please");
  await page.getByRole("link", { name: /Needs me.*1 waiting/ }).click();
  const card = page.getByRole("article", { name: "Failed" });
  await expect(card.getByText("fail please")).toBeVisible();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`needs-me-failed-${theme}`);
  }
  await card.getByRole("button", { name: "Run again" }).click();
  await expect.poll(async () => (await afield.cli("queue", "ls", "--all", "--json")).match(/"attempt":\s*2/)).not.toBeNull();
  await expect(card).toBeVisible();
  await card.getByRole("button", { name: "Put away" }).click();
  await expect(page.getByText("Nothing needs you")).toBeVisible();
  await page.reload();
  await expect(page.getByText("Nothing needs you")).toBeVisible();
});

test("what was interrupted is decided by a person", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await send(page, "work 60");
  await expect(page.getByRole("region", { name: "Messages" }).getByText("the agent has it")).toBeVisible();
  await page.getByRole("link", { name: "Needs me" }).click();
  await afield.killRunner();
  const card = page.getByRole("article", { name: /^Interrupted/ });
  await expect(card).toBeVisible();
  await expectSound(page);
  await shot("needs-me-interrupted");
  await card.getByRole("button", { name: "It is done" }).click();
  await expect(card).toHaveCount(0);
});
