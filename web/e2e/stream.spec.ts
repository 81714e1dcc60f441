import { addProject, expect, send, test } from "./harness";
import { expectSound } from "./sound";

test.describe("with an agent that uses every kind of tool", () => {
  test.use({ script: "tools" });

  test("each tool is one card with its result, by its kind", async ({ paired: page, afield, shot }) => {
    await addProject(page, afield, "app", "claude");
    await send(page, "Correct the greeting");
    const stream = page.getByRole("region", { name: "Messages" });
    await expect(stream.getByText(/^Done · /)).toBeVisible();
    await page.setViewportSize({ width: page.viewportSize()?.width ?? 390, height: 2_400 });

    await expect(stream.getByRole("button", { name: /^To do/ })).toHaveAttribute("aria-expanded", "true");
    await expect(stream.getByText("Correct the greeting")).toHaveCount(2);
    const command = stream.getByRole("button", { name: /^Command/ });
    await expect(command).toHaveAttribute("aria-expanded", "true");
    await expect(stream.getByRole("group", { name: "Error" }).locator(".ansi-red").first()).toHaveText("F");

    await stream.getByRole("button", { name: /^Edit/ }).click();
    const diff = stream.getByRole("group", { name: "Changes" });
    await expect(diff.getByText("added: /// What a visitor reads first.")).toBeVisible();
    await expect(diff.getByText('removed: format!("Hello {}", name)')).toBeVisible();

    await stream.getByRole("button", { name: /^Sub-agent/ }).click();
    await expect(stream.getByText("Reading the docs.")).toBeVisible();
    await expect(stream.getByRole("button", { name: /^Search Hello in docs/ })).toBeVisible();
    await expect(stream.getByText("57k tokens in, 640 out")).toBeVisible();
    for (const theme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await expectSound(page);
      await shot(`stream-${theme}`);
    }
  });

  test("a card opens on the whole screen, and code can be copied", async ({ paired: page, afield, context, shot }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await addProject(page, afield, "app", "claude");
    await send(page, "Correct the greeting");
    const stream = page.getByRole("region", { name: "Messages" });
    await expect(stream.getByText(/^Done · /)).toBeVisible();
    await stream.locator(".code").getByRole("button", { name: "Copy", exact: true }).click();
    await expect(stream.getByRole("button", { name: "Copied" })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('format!("Hello, {name}!")');

    await stream.getByRole("button", { name: /^Edit/ }).click();
    await stream.locator(".card", { hasText: "What a visitor reads first" }).getByRole("button", { name: "Whole screen" }).click();
    const whole = page.getByRole("dialog", { name: "Edit" });
    await expect(whole.getByRole("group", { name: "Changes" })).toBeVisible();
    await expectSound(page);
    await shot("tool-whole");
  });
});

test("what was said meanwhile is marked until it is read", async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  const stream = page.getByRole("region", { name: "Messages" });
  const readTo = async () => Number(/"value":\s*(\d+)/.exec(await afield.cli("state", "ls", "--json"))?.[1] ?? 0);
  const open = async () => {
    await page.goto(`${afield.url}/projects`);
    await page.getByRole("link", { name: /demo/ }).click();
    await expect(stream.getByText(/^Done/).last()).toBeVisible();
  };
  await send(page, "first");
  await expect(stream.getByText(/^Done/)).toHaveCount(1);
  await expect.poll(readTo).toBeGreaterThan(0);
  const before = await readTo();

  await page.goto(`${afield.url}/projects`);
  await afield.cli("run", "-p", `${afield.folder}/demo`, "second");
  await open();
  await expect(stream.getByText("new since you looked")).toBeVisible();
  await expect.poll(readTo).toBeGreaterThan(before);
  await open();
  await expect(stream.getByText("new since you looked")).toHaveCount(0);
});
