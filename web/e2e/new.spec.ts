import { addProject, anyWidth, expect, test } from "./harness";
import { picture } from "./picture";
import { expectSound } from "./sound";

test("work for any machine that can, at a time, with what was chosen remembered", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/new`);
  await expect(page.getByText("Write what is to be done.")).toBeVisible();
  await expectSound(page);
  await shot("new-empty");

  await page.getByLabel("Prompt").fill("look around");
  await expect(page.getByText(/Starts at once on/)).toBeVisible();
  await page.getByRole("radio", { name: "Any machine that can" }).check();
  await page.getByLabel("Has the agent").selectOption("demo");
  await expect(page.getByText(/^Fits: demo on/)).toBeVisible();
  await page.getByLabel("Processors, at least").fill("1000");
  await expect(page.getByText("Nothing that is known here fits.")).toBeVisible();
  await page.getByLabel("Processors, at least").fill("1");
  await page.getByRole("radio", { name: "At a time" }).check();
  await page.getByLabel("Not before").fill("2037-01-01T12:00");
  await page.getByText("Agent, priority, retries").click();
  await page.getByLabel("Priority").selectOption("high");
  await page.getByLabel("Tries").selectOption("3");
  await expectSound(page);
  await shot("new-any");
  await page.getByRole("button", { name: "Send" }).click();

  await page.getByRole("link", { name: /look around/ }).click();
  await expect(page.getByText(/Does not start before/)).toBeVisible();
  await expect(page.getByText("high", { exact: true })).toBeVisible();
  await expect(page.getByText("0 of 3")).toBeVisible();

  await page.goto(`${afield.url}/new`);
  await expect(page.getByRole("radio", { name: "Any machine that can" })).toBeChecked();
  await expect(page.getByLabel("Has the agent")).toHaveValue("demo");
  await expect(page.getByRole("radio", { name: "As soon as it can" })).toBeChecked();
});

test("work that no machine fits says so, and names no machine", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/new`);
  await page.getByLabel("Prompt").fill("too much to ask");
  await page.getByRole("radio", { name: "Any machine that can" }).check();
  await page.getByLabel("Processors, at least").fill("1000");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(page.getByText("no machine fits")).toBeVisible();
  await expect(page.getByText("No machine yet")).toBeVisible();
  await page.getByRole("link", { name: /too much to ask/ }).click();
  const why = page.getByRole("region", { name: "Why it waits" });
  await expect(why.getByText(/^No runner .* fits/)).toBeVisible();
  await expect(why.getByText("It starts by itself when a machine fits.")).toBeVisible();
  await expect(page.locator("dd").getByRole("link")).toHaveCount(0);
  await expectSound(page);
  await shot("command-fits-nobody");
});

test("what is typed and chosen while a prompt is being sent changes nothing about that one", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/new`);
  await page.getByLabel("Prompt").fill("sent as it was");
  await expect(page.getByText(/Starts at once on/)).toBeVisible();
  await page.getByLabel("Prompt").evaluate((field: HTMLTextAreaElement) => {
    field.form?.requestSubmit();
    field.value += "and after it";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    const anywhere = field.form?.querySelectorAll<HTMLInputElement>('input[type="radio"]')[1];
    anywhere?.click();
  });
  await expect(page).toHaveURL(/\/projects\/./);
  await expect(page.getByRole("region", { name: "Messages" }).getByText("sent as it was", { exact: true })).toBeVisible();
  await page.goto(`${afield.url}/new`);
  await expect(page.getByLabel("Prompt")).toHaveValue("and after it");
  await expect(page.getByRole("radio", { name: "In a project" })).toBeChecked();
});

test("what is released later waits, with its files", anyWidth, async ({ paired: page, afield, shot }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/new`);
  await page.getByLabel("Prompt").fill("Fix this");
  await page.getByRole("radio", { name: "When released" }).check();
  await page.getByLabel("Files", { exact: true }).setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: picture(40, 30) });
  await expect(page.getByRole("img", { name: "broken.png" })).toBeVisible();
  await expectSound(page);
  await shot("new-dark");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("link", { name: /Fix this/ }).click();
  await expect(page.getByRole("img", { name: "broken.png" })).toBeVisible();
  await page.getByRole("button", { name: "Release" }).click();
  await expect(page.getByText("Given to the agent")).toBeVisible();
});

test("a draft outlives a reload", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await page.goto(`${afield.url}/new`);
  await page.getByLabel("Prompt").fill("half a thought");
  await expect(page.getByText(/Starts at once on/)).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("Prompt")).toHaveValue("half a thought");
});

test("what is typed and chosen as soon as there is a field is added to what was kept", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await page.getByRole("link", { name: "New" }).first().click();
  await page.getByLabel("Prompt").fill("half a thought");
  await page.getByRole("link", { name: "Queue" }).first().click();
  await expect(page.getByRole("heading", { name: "Nothing waits" })).toBeVisible();
  await page.evaluate(() => {
    const eager = new MutationObserver(() => {
      const form = document.querySelector("form");
      const field = form?.querySelector("textarea");
      if (!form || !field) return;
      eager.disconnect();
      field.value += ", and the rest";
      field.dispatchEvent(new Event("input", { bubbles: true }));
      form.querySelector<HTMLInputElement>('input[type="radio"][value="any"]')?.click();
    });
    eager.observe(document.body, { childList: true, subtree: true });
  });
  await page.getByRole("link", { name: "New" }).first().click();
  await expect(page.getByLabel("Prompt")).toHaveValue("half a thought, and the rest");
  await expect(page.getByRole("radio", { name: "Any machine that can" })).toBeChecked();
  await page.reload();
  await expect(page.getByLabel("Prompt")).toHaveValue("half a thought, and the rest");
});
