import type { Page } from "@playwright/test";
import { addProject, another, anyWidth, expect, send, test } from "./harness";
import { picture } from "./picture";
import { expectSound } from "./sound";

/** An image as a clipboard holds it. */
function pasteImage(page: Page, name: string, image: Buffer): Promise<void> {
  return prompt(page).evaluate((field, { name, bytes }) => {
    const clipboard = new DataTransfer();
    clipboard.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true, cancelable: true }));
  }, { name, bytes: [...image] });
}

/** The names of all that were chosen and are on the browser's disk. */
function keptFiles(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const opening = indexedDB.open("afield");
    await new Promise((resolve) => (opening.onsuccess = resolve));
    const asking = opening.result.transaction("files").objectStore("files").getAll();
    await new Promise((resolve) => (asking.onsuccess = resolve));
    opening.result.close();
    const rows = asking.result as { attachment: { name: string } }[][];
    return rows.flat().map(({ attachment }) => attachment.name).sort();
  });
}

/** What is written to the outbox is on the disk only after an event `outbox-goes-on`. */
function slowOutbox(page: Page): Promise<void> {
  return page.evaluate(() => {
    let held = true;
    addEventListener("outbox-goes-on", () => (held = false));
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (value: unknown, key?: IDBValidKey) {
      // A transaction lasts for as long as it is asked something.
      const hold = () => held && (this.count().onsuccess = hold);
      if (this.name === "outbox") hold();
      return put.call(this, value, key);
    };
  });
}

const prompt = (page: Page) => page.getByLabel("Prompt", { exact: true });

test("a draft goes on where another screen left it, and is gone everywhere once sent", anyWidth, async ({ paired: page, afield, browser }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await second.getByRole("link", { name: /demo/ }).click();
  await prompt(page).fill("begun here");
  await expect(prompt(second)).toHaveValue("begun here");
  await prompt(second).fill("begun here, ended there");
  await expect(prompt(page)).toHaveValue("begun here, ended there");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(prompt(second)).toHaveValue("");
});

test("of two drafts typed apart none is lost", anyWidth, async ({ paired: page, afield, browser, shot }) => {
  await addProject(page, afield, "demo");
  const second = await another(browser, afield);
  await second.getByRole("link", { name: /demo/ }).click();
  await expect(prompt(second)).toBeVisible();
  await second.context().setOffline(true);
  await second.evaluate(() => dispatchEvent(new Event("offline")));
  await prompt(second).fill("typed on the train");
  await prompt(page).fill("typed at home");
  await expect.poll(() => afield.cli("state", "ls", "--json")).toContain("typed at home");
  await second.context().setOffline(false);
  await second.evaluate(() => dispatchEvent(new Event("online")));
  const beside = second.getByRole("region", { name: "Typed on another screen" });
  await expect(beside.getByText("typed at home")).toBeVisible();
  await expect(prompt(second)).toHaveValue("typed on the train");
  await expectSound(second);
  await shot("draft-conflict", second);
  await beside.getByRole("button", { name: "Keep both" }).click();
  await expect(beside).toHaveCount(0);
  await expect(prompt(page)).toHaveValue("typed on the train\n\ntyped at home");
});

test("who presses Enter twice sends once, and what is typed meanwhile stays", async ({ paired: page, afield }) => {
  await addProject(page, afield, "demo");
  await prompt(page).fill("only once");
  await prompt(page).evaluate((field: HTMLTextAreaElement) => {
    const enter = { key: "Enter", ctrlKey: true, bubbles: true, cancelable: true };
    for (let press = 0; press < 2; press += 1) field.dispatchEvent(new KeyboardEvent("keydown", enter));
    field.value += "and after it";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await expect(prompt(page)).toHaveValue("and after it");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const prompts = async () => {
    const commands = JSON.parse(await afield.cli("queue", "ls", "--all", "--json")) as { summary: string }[];
    return commands.map(({ summary }) => summary).sort();
  };
  await expect.poll(prompts).toContain("and after it");
  expect(await prompts()).toEqual(["and after it", "only once"]);
});

test("while a turn runs, sending says what it will do: queue, steer, interrupt", async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  await send(page, "work 60");
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("the agent has it")).toBeVisible();
  await expect(page.getByText("Waits its turn")).toBeVisible();
  await send(page, "after that");
  await expect(stream.getByText("on the server, waits its turn")).toBeVisible();
  await page.getByText("Steer", { exact: true }).click();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`composer-working-${theme}`);
  }
  await prompt(page).fill("and look at the docs");
  await page.getByRole("button", { name: "Send into the turn" }).click();
  await expect(stream.getByText("and look at the docs", { exact: true })).toBeVisible();
  await page.getByText("Interrupt", { exact: true }).click();
  await prompt(page).fill("stop that, hello");
  await page.getByRole("button", { name: "Interrupt and send" }).click();
  await expect(stream.getByText("You said: “stop that, hello”")).toBeVisible();
});

test("commands of the agent and a later time go with a prompt", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await send(page, "hello");
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText(/^Done/)).toBeVisible();
  await prompt(page).fill("/co");
  await page.getByRole("button", { name: "/compact" }).click();
  await expect(prompt(page)).toHaveValue("/compact ");
  await expect(page.getByRole("meter", { name: "Memory used" })).toBeVisible();

  await prompt(page).fill("read this");
  await page.getByRole("button", { name: "File, urgency, time, conversation" }).click();
  const sheet = page.getByRole("dialog", { name: "With this prompt" });
  await sheet.getByLabel("Urgency").selectOption("high");
  await sheet.getByLabel("Not before").fill("2030-01-01T10:00");
  await expectSound(page);
  await shot("composer-how");
  await sheet.getByRole("button", { name: "Done" }).click();
  await expect(page.getByText("priority: high")).toBeVisible();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(stream.getByText("on the server, waits for its time")).toBeVisible();
});

test("images and files go with a prompt, made smaller, kept while there is no connection, sent once", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await prompt(page).fill("look at this");
  await page.getByRole("button", { name: "File, urgency, time, conversation" }).click();
  const files = [
    { name: "wide.png", mimeType: "image/png", buffer: picture(2400, 600) },
    { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes") },
    { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) },
  ];
  await page.getByRole("dialog", { name: "With this prompt" }).getByLabel("Files").setInputFiles(files);
  const chosen = page.getByRole("list", { name: "Goes with the prompt" });
  await expect(chosen.getByRole("listitem")).toHaveCount(2);
  await expect(page.getByText("empty.txt is empty.")).toBeVisible();
  await pasteImage(page, "pasted.png", picture(30, 20));
  await expect(chosen.getByRole("listitem")).toHaveCount(3);
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await expectSound(page);
    await shot(`composer-files-${theme}`);
  }
  await chosen.getByRole("button", { name: "Remove pasted.png" }).click();
  await page.context().setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText("on this device, waits for a connection")).toBeVisible();
  await expect(stream.getByRole("img", { name: "wide.png" })).toBeVisible();
  await page.context().setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await expect(stream.getByText(/^Done/)).toBeVisible();
  const image = stream.getByRole("img", { name: "wide.png" });
  await expect(image).toBeVisible();
  expect(await image.evaluate((element: HTMLImageElement) => [element.naturalWidth, element.naturalHeight])).toEqual([2000, 500]);
  await shot("session-attached");
  const history = await afield.cli("history", "-p", "app", "--kind", "prompt");
  expect(history.match(/wide\.png \(image\/png/g)).toHaveLength(1);
  expect(history).toContain("notes.md (text/plain, 7 B)");
});

test("files that were chosen outlive a reload, each where it was chosen, and are gone once sent", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await prompt(page).fill("look at these");
  await pasteImage(page, "pasted.png", picture(30, 20));
  await pasteImage(page, "other.png", picture(20, 30));
  const chosen = page.getByRole("list", { name: "Goes with the prompt" });
  await chosen.getByRole("button", { name: "Remove other.png" }).click();
  await expect.poll(() => keptFiles(page)).toEqual(["pasted.png"]);
  const session = page.url();
  await page.goto(`${afield.url}/new`);
  await page.getByLabel("Files", { exact: true }).setInputFiles({ name: "new.txt", mimeType: "text/plain", buffer: Buffer.from("new") });
  await expect.poll(() => keptFiles(page)).toEqual(["new.txt", "pasted.png"]);

  await page.goto(session);
  await expect(chosen.getByRole("img", { name: "pasted.png" })).toBeVisible();
  await expect(chosen.getByRole("listitem")).toHaveCount(1);
  await expect(prompt(page)).toHaveValue("look at these");
  await expectSound(page);
  await shot("composer-reloaded");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByRole("region", { name: "Messages" }).getByText(/^Done/)).toBeVisible();
  expect(await afield.cli("history", "-p", "app", "--kind", "prompt")).toContain("pasted.png (image/png");
  await expect(chosen).toHaveCount(0);
  await expect.poll(() => keptFiles(page)).toEqual(["new.txt"]);
});

test("a prompt that is left while it is being kept is not there again to be sent", anyWidth, async ({ paired: page, afield }) => {
  await addProject(page, afield, "app", "claude");
  const session = new URL(page.url()).pathname;
  await page.context().setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await prompt(page).fill("look at this");
  await pasteImage(page, "sent.png", picture(30, 20));
  await expect.poll(() => keptFiles(page)).toEqual(["sent.png"]);
  await slowOutbox(page);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("link", { name: "Queue" }).first().click();
  await page.getByRole("link", { name: "Projects" }).first().click();
  await page.locator(`a[href="${session}"]`).click();
  await pasteImage(page, "next.png", picture(20, 30));
  const chosen = page.getByRole("list", { name: "Goes with the prompt" });
  await expect(page.getByText("Reading a file…").or(chosen).first()).toBeVisible();
  await page.evaluate(() => dispatchEvent(new Event("outbox-goes-on")));
  await expect(chosen.getByRole("img", { name: "next.png" })).toBeVisible();
  await expect(chosen.getByRole("listitem")).toHaveCount(1);
  await expect(prompt(page)).toHaveValue("");
  await expect.poll(() => keptFiles(page)).toEqual(["next.png"]);
  await expect(page.getByRole("region", { name: "Messages" }).getByText("look at this", { exact: true })).toHaveCount(1);
});

test("files that have no room on the disk go with the prompt all the same, and it is said", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await page.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (value: unknown, key?: IDBValidKey) {
      if (this.name === "files") throw new DOMException("full", "QuotaExceededError");
      return put.call(this, value, key);
    };
  });
  await prompt(page).fill("look at this");
  await pasteImage(page, "pasted.png", picture(30, 20));
  await expect(page.getByText("No room on this device to keep these files")).toBeVisible();
  await expectSound(page);
  await shot("composer-no-room");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByRole("region", { name: "Messages" }).getByText(/^Done/)).toBeVisible();
  expect(await afield.cli("history", "-p", "app", "--kind", "prompt")).toContain("pasted.png (image/png");
});

test("when the agent asks can be changed", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  await page.getByRole("button", { name: "When it asks: Asks" }).click();
  const sheet = page.getByRole("dialog", { name: "When it asks" });
  await expectSound(page);
  await shot("composer-mode");
  await sheet.getByRole("button", { name: "Edits freely" }).click();
  await expect(page.getByRole("button", { name: "When it asks: Edits freely" })).toBeVisible();
  await send(page, "[[mock:permission tool=Write]] write it");
  await expect(page.getByRole("region", { name: "Messages" }).getByText("Done as allowed.").first()).toBeVisible();
  expect(await afield.cli("approvals", "--all", "--json")).not.toContain("approval_id");
});

test("an earlier conversation is chosen by its title, and goes on", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "app", "claude");
  const stream = page.getByRole("region", { name: "Messages" });
  await send(page, "look at the login page");
  await expect(stream.getByText(/^Done/)).toHaveCount(1);
  const how = page.getByRole("button", { name: "File, urgency, time, conversation" });
  const sheet = page.getByRole("dialog", { name: "With this prompt" });
  await prompt(page).fill("write the release notes");
  await expect.poll(() => afield.cli("state", "ls", "--json")).toContain("write the release notes");
  await how.click();
  await sheet.getByRole("button", { name: "Begin a new one" }).click();
  await expect(sheet).toBeHidden();
  // What was typed goes along, and is left behind nowhere.
  await expect(prompt(page)).toHaveValue("write the release notes");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(stream.getByText(/^Done/)).toHaveCount(2);
  await expect.poll(() => afield.cli("state", "ls", "--json")).not.toContain("write the release notes");
  await how.click();
  await expect(sheet.getByText("write the release notes")).toBeVisible();
  await expect(sheet.getByText(/1 turn · 3 tokens in, 6 out/).first()).toBeVisible();
  const earlier = sheet.getByRole("list", { name: "Earlier conversations" }).getByRole("button", { name: /look at the login page/ });
  await earlier.click();
  await expectSound(page);
  await shot("conversations");
  await sheet.getByRole("button", { name: "Done" }).click();
  await expect(sheet).toBeHidden();
  await send(page, "and the logout page");
  await expect(stream.getByText(/^Done/)).toHaveCount(3);
  const sessions = JSON.parse(await afield.cli("sessions", "ls", "--json")) as { sessions: { title: string; turns: number }[] };
  expect(sessions.sessions.map(({ title, turns }) => [title, turns])).toEqual([["look at the login page", 2], ["write the release notes", 1]]);
});
