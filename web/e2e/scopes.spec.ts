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
  await guest.goto(`${afield.url}/more/defaults`);
  await expect(guest.getByRole("heading", { name: "Needs the scope prompt" })).toBeVisible();
  await expectSound(guest);
  await guest.goto(`${afield.url}/more/tokens`);
  await guest.getByRole("button", { name: "New token" }).click();
  await expect(guest.getByRole("checkbox", { name: /^Administer/ })).toBeEnabled();
  await expect(guest.getByRole("checkbox", { name: /^Prompt/ })).toBeDisabled();
  await expectSound(guest);
  await guest.goto(`${afield.url}/new`);
  await expect(guest.getByRole("heading", { name: "This device may look, not send" })).toBeVisible();
});

test("what needs the scope shell is said to, and not offered without it", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  await afield.cli("queue", "hold", "--all");
  const sent = await afield.cli("run", "-p", `${afield.folder}/demo`, "--agent", "command", "--detach", "--json", "echo hello");
  const { command_id } = JSON.parse(sent) as { command_id: string };
  const guest = await another(browser, afield, "view", "prompt");
  const neverAsk = guest.getByRole("option", { name: /^Never asks? \(needs the scope shell\)$/ });

  await guest.goto(`${afield.url}/more/defaults`);
  await expect(neverAsk).toBeDisabled();
  const plain = guest.getByRole("option", { name: "Plain commands (needs the scope shell)" });
  await expect(plain).toBeDisabled();
  await expectSound(guest);
  await guest.goto(`${afield.url}/new`);
  await guest.getByLabel("Prompt").fill("look around");
  await guest.getByText("Agent, priority, retries").click();
  await expect(neverAsk).toBeDisabled();
  await expectSound(guest);
  await guest.goto(`${afield.url}/more/device`);
  await expect(plain).toBeDisabled();
  await guest.goto(`${afield.url}/queue/${command_id}`);
  await guest.getByRole("button", { name: "Edit" }).click();
  const dialog = guest.getByRole("dialog", { name: "Edit" });
  await expect(dialog.getByLabel("Command line")).not.toBeEditable();
  await dialog.getByLabel("Priority").selectOption("high");
  await expectSound(guest);
  await shot("command-edit-may-not", guest);
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(guest.getByText("high", { exact: true })).toBeVisible();

  // What the project has is everybody's, and stays with what else is changed there.
  await page.goto(`${afield.url}/more/defaults`);
  await page.getByLabel("When it asks").selectOption("Never ask");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText(/Saved/)).toBeVisible();
  await guest.goto(`${afield.url}/more/defaults`);
  await expect(guest.getByLabel("When it asks")).toHaveValue("bypassPermissions");
  await expect(guest.getByRole("option", { name: "Never ask", exact: true })).toBeEnabled();
  await guest.getByLabel("Model").fill("small");
  await guest.getByRole("button", { name: "Save" }).click();
  await expect(guest.getByText(/Saved/)).toBeVisible();
  await guest.goto(`${afield.url}/new`);
  await guest.getByText("Agent, priority, retries").click();
  await guest.getByLabel("Permissions").selectOption("Never asks");
  await guest.getByLabel("Prompt").fill("look around");
  await expect(guest.getByRole("button", { name: "Send" })).toBeEnabled();
  await guest.getByRole("radio", { name: "Any machine that can" }).check();
  await expect(guest.getByText(/agents that never ask, need the scope shell/)).toBeVisible();
  await expect(guest.getByRole("button", { name: "Send" })).toBeDisabled();

  await page.getByRole("combobox", { name: "Agent" }).selectOption("command");
  await page.getByRole("button", { name: "Save" }).click();
  await guest.goto(afield.url);
  await guest.getByRole("link", { name: /demo/ }).click();
  await expect(guest.getByPlaceholder("A plain command needs the scope shell")).toBeDisabled();
});
