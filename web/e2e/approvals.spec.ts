import { addProject, another, anyWidth, expect, send, test } from "./harness";
import { expectSound } from "./sound";

test("an approval answered on one screen shows on the other whose answer it was", async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "app", "claude");
  const second = await another(browser, afield);
  await second.goto(`${afield.url}/needs-me`);
  await send(page, "[[mock:permission tool=Bash]] run the tests");

  const card = page.getByRole("article", { name: "Claude wants to run cargo test" });
  await expect(card.getByText("cargo test --quiet")).toBeVisible();
  await expect(card.getByText(`${afield.folder}/app`)).toBeVisible();
  await expect(page.getByRole("main").getByText("asks", { exact: true }).filter({ visible: true }).first()).toBeVisible();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`approval-${theme}`);
  }
  const other = second.getByRole("article", { name: "Claude wants to run cargo test" });
  await expect(other.getByRole("link", { name: "app" })).toBeVisible();
  await card.getByRole("button", { name: "Allow once" }).click();
  await expect(other.getByRole("status")).toContainText(/Allowed by /);
  await expect(other.getByRole("button", { name: "Allow once" })).toHaveCount(0);
  await expect(page.getByRole("region", { name: "Messages" }).getByText("Done as allowed.").first()).toBeVisible();
});

test("a no carries its reason to the agent", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "[[mock:permission tool=Write]] write it");
  const card = page.getByRole("article", { name: "Claude wants to write mock_out.txt" });
  await expect(card.getByRole("group", { name: "Changes" })).toContainText("mock");
  await card.getByRole("button", { name: "Deny…" }).click();
  await card.getByLabel("What should it do instead?").fill("put it into out/");
  await expectSound(page);
  await shot("approval-deny");
  await card.getByRole("button", { name: "Deny", exact: true }).click();
  const answered = async () => (await approvals(afield)).map(({ state, answer }) => [state, answer?.message]);
  await expect.poll(answered).toEqual([["denied", "put it into out/"]]);
});

test("a question is a form, and its answer reaches the agent", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "[[mock:ask_user]] ask me");
  await page.getByRole("link", { name: /Needs me.*1 waiting/ }).click();
  const card = page.getByRole("article", { name: "The agent has a question" });
  await expect(card.getByRole("button", { name: "Answer", exact: true })).toBeDisabled();
  await card.getByLabel("Blue").check();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`question-${theme}`);
  }
  await card.getByRole("button", { name: "Answer", exact: true }).click();
  await expect(card.getByRole("status")).toContainText("Answered by this device");
  await card.getByRole("link", { name: "app" }).click();
  await expect(page.getByRole("region", { name: "Messages" }).getByText(/have been answered: .*Blue/).first()).toBeVisible();
});

test("a rule is looked at and changed before it spares the next question", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "[[mock:permission tool=Bash]] run the tests");
  const card = page.getByRole("article", { name: "Claude wants to run cargo test" });
  await card.getByRole("button", { name: "Always…" }).click();
  const rule = card.getByLabel("Never ask again for Bash");
  await expect(rule).toHaveValue("cargo test:*");
  await expect(card.getByText("every command that begins with “cargo test”")).toBeVisible();
  await rule.fill("cargo test --quiet");
  await expect(card.getByText("only the command “cargo test --quiet”")).toBeVisible();
  await expect(card.getByText(/settings\.local\.json on /)).toBeVisible();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`approval-always-${theme}`);
  }
  await card.getByRole("button", { name: "Allow from now on" }).click();
  const rules = async () => (await approvals(afield)).map(({ answer }) => answer?.rules);
  await expect.poll(rules).toEqual([[{ tool: "Bash", content: "cargo test --quiet", destination: "local_settings" }]]);
});

test.describe("with an agent that would remove files", () => {
  test.use({ script: "dangerous" });

  test("what can't be taken back has to be held", async ({ paired: page, afield, shot }) => {
    await addProject(page, afield, "app", "claude");
    await send(page, "clean up");
    const card = page.getByRole("article", { name: "Claude wants to clean up" });
    await expect(card.getByText("Look twice:")).toBeVisible();
    await expect(card.getByTitle("a hidden character")).toHaveText("RLO");
    await expectSound(page);
    await shot("approval-destructive");
    const hold = card.getByRole("button", { name: "Hold to allow", exact: true });
    await hold.click();
    await expect(hold).toBeVisible();
    expect((await approvals(afield)).map(({ state }) => state)).toEqual(["open"]);
    await hold.click({ delay: 1_000 });
    await expect.poll(async () => (await approvals(afield)).map(({ state }) => state)).toEqual(["allowed"]);
  });
});

test("an approval has an address of its own, also when it is over", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "[[mock:permission_cancel ms=600000]] write it");
  await expect(page.getByRole("article")).toBeVisible();
  const [approval] = await approvals(afield);
  await page.goto(`${afield.url}/approvals/${approval?.approval_id}`);
  await page.getByRole("button", { name: "Allow once" }).click();
  await expect(page.getByRole("status").getByText("Allowed by this device")).toBeVisible();
  await page.reload();
  await expect(page.getByRole("status").getByText("Allowed by this device")).toBeVisible();
  await shot("approval-answered");
});

interface Listed {
  approval_id: string;
  state: string;
  answer?: { message?: string; rules?: unknown };
}

async function approvals(afield: { cli(...args: string[]): Promise<string> }): Promise<Listed[]> {
  const listed = JSON.parse(await afield.cli("approvals", "--all", "--json")) as Listed[] | { approvals: Listed[] };
  return Array.isArray(listed) ? listed : listed.approvals;
}
