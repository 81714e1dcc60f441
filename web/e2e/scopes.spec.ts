import { addProject, another, anyWidth, expect, send, test } from "./harness";
import { expectSound } from "./sound";

test("a device is offered what its scopes allow; to administer is no more than that", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "broken");
  await afield.cli("run", "-p", `${afield.folder}/broken`, "--detach", "fail please");
  await page.goto(afield.url);
  await addProject(page, afield, "demo");
  await send(page, "work 60");
  await send(page, "then this");
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toBeVisible();

  const guest = await another(browser, afield, "view", "admin");
  await guest.getByRole("link", { name: /demo/ }).click();
  await expect(guest.getByPlaceholder("This device may look, not send")).toBeDisabled();
  await guest.getByRole("button", { name: /waits its turn: show the delivery/ }).click();
  await expect(guest.getByRole("dialog", { name: "Delivery" }).getByText("On the server's disk")).toBeVisible();
  await expect(guest.getByRole("button", { name: /Stop|Cancel it/ })).toHaveCount(0);
  await guest.getByRole("button", { name: "Close" }).click();

  await guest.getByRole("link", { name: "Projects" }).first().click();
  await expect(guest.getByRole("link", { name: /broken/ })).toBeVisible();
  await expect(guest.getByRole("button", { name: "Add a project" })).toHaveCount(0);
  await guest.getByRole("link", { name: /Needs me.*1 waiting/ }).click();
  const card = guest.getByRole("article", { name: "Failed" });
  await expect(card.getByText("This device may look, not decide.")).toBeVisible();
  await expect(card.getByRole("button", { name: "Run again" })).toBeDisabled();
  await expectSound(guest);
  await shot("needs-me-may-look", guest);
  await card.getByRole("button", { name: "Put away" }).click();
  await expect(guest.getByText("Nothing needs you")).toBeVisible();

  await guest.goto(`${afield.url}/more`);
  await expect(guest.getByRole("link", { name: "Audit log" })).toBeVisible();
  await expect(guest.getByRole("link", { name: "Defaults of projects" })).toHaveCount(0);
  await guest.goto(`${afield.url}/new`);
  await expect(guest.getByRole("heading", { name: "This device may look, not send" })).toBeVisible();
});
