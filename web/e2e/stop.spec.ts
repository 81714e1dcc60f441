import { addProject, anyWidth, expect, send, test } from "./harness";
import { expectSound } from "./sound";

test("stopping the agent says what will end, and names what died", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "[[mock:hang_after_tool]] work for ever");
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("the agent has it")).toBeVisible();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const sheet = page.getByRole("dialog");
  await expect(sheet.getByText("work for ever")).toBeVisible();
  await expect(sheet.getByText("Kills the agents of 1 project (app)")).toBeVisible();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`stop-${theme}`);
  }
  await sheet.getByRole("button", { name: "Hold to stop the agent" }).click({ delay: 1_000 });
  await expect(sheet.getByRole("list", { name: "Killed processes" }).getByRole("listitem")).not.toHaveCount(0);
  await expectSound(page);
  await shot("stopped");
  await sheet.getByRole("button", { name: "Close", exact: true }).last().click();
  await stream.getByRole("button", { name: /show the delivery/ }).click();
  const chain = page.getByRole("dialog", { name: "Delivery" });
  await expect(chain.getByText("The agent has it")).toBeVisible();
  await expect(chain.getByText(/this device/).first()).toBeVisible();
  await expectSound(page);
  await shot("delivery");
});

test("killing everything holds what waits until it is released", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "[[mock:hang_after_tool]] work for ever");
  await expect(page.getByRole("region", { name: "Messages" }).getByText("the agent has it")).toBeVisible();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const sheet = page.getByRole("dialog");
  await sheet.getByRole("button", { name: "Hold to kill everything" }).click({ delay: 1_000 });
  await expect(sheet.getByText(/killed\.$/)).toBeVisible();
  await sheet.getByRole("button", { name: "Release what waits" }).click();
  await expect(sheet.getByRole("button", { name: "Release what waits" })).toHaveCount(0);
  await sheet.getByRole("button", { name: "Close", exact: true }).last().click();
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toHaveCount(0);
});

test("an interrupted turn ends, and the agent takes the next prompt", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await send(page, "work 60");
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("the agent has it")).toBeVisible();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Interrupt", exact: true }).click();
  await expect(page.getByText("The turn was asked to end.")).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Close", exact: true }).last().click();
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toHaveCount(0);
  await send(page, "hello again");
  await expect(stream.getByText("You said: “hello again”")).toBeVisible();
});
