/** Watches a page for anything hostile words achieve. */
import { expect, type Page } from "@playwright/test";
import { ATTACKS } from "./attacks";

/** Never part of what an agent's words become. Icons are the app's own, and have no attribute but these. */
const FORBIDDEN = "script, iframe, frame, object, embed, img, picture, video, audio, source, style, link, base, meta, form[action], math, template, marquee, foreignObject, use, animate, [style*=url], [srcdoc], [ping]";
/** What a line of the app may not contain in its raw form. */
const HIDING = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\u{e0000}-\\u{e0fff}]";

export class Guard {
  readonly #page: Page;
  readonly #seen: string[] = [];

  private constructor(page: Page, own: string) {
    this.#page = page;
    page.on("pageerror", (error) => this.#seen.push(`the page threw ${error}`));
    page.on("dialog", (dialog) => this.#seen.push(`a dialog said ${dialog.message()}`));
    page.on("popup", (popup) => this.#seen.push(`a window opened ${popup.url()}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.host !== own && url.protocol !== "data:") this.#seen.push(`loaded ${request.url()}`);
    });
  }

  static async on(page: Page, own: string): Promise<Guard> {
    const guard = new Guard(page, new URL(own).host);
    await page.exposeFunction("hit", () => guard.#seen.push("a script ran"));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error("violation", event.violatedDirective, event.blockedURI));
    });
    page.on("console", (message) => {
      if (message.text().startsWith("violation")) guard.#seen.push(message.text());
    });
    return guard;
  }

  /** Fails if the words in `selector` became more than words. */
  async expectHarmless(selector: string): Promise<void> {
    const became = await this.#page.evaluate(inspect, { selector, forbidden: FORBIDDEN, hiding: HIDING });
    expect([...became, ...this.#seen], new URL(this.#page.url()).pathname).toEqual([]);
  }
}

/** The names of all attacks whose marks stand in these texts. */
export function attacksIn(text: string): string[] {
  return [...text.matchAll(/§(\d+)§/g)].flatMap(([, index]) => ATTACKS[Number(index)]?.name ?? []);
}

/** The attacks as they are said: each with a mark, so that it can be found again. */
export function said(): string[] {
  return ATTACKS.map(({ text }, index) => `§${index}§\n\n${text}`);
}

/** Runs in the page. */
function inspect({ selector, forbidden, hiding }: { selector: string; forbidden: string; hiding: string }): string[] {
  const wrong: string[] = [];
  for (const root of document.querySelectorAll(selector)) {
    for (const element of root.querySelectorAll(forbidden)) wrong.push(`an element ${element.outerHTML.slice(0, 200)}`);
    for (const element of root.querySelectorAll("*")) {
      const bad = element.getAttributeNames().filter((name) => /^on/i.test(name));
      if (bad.length > 0) wrong.push(`handlers ${bad}`);
    }
    for (const link of root.querySelectorAll<HTMLAnchorElement>(".markdown a[href]")) {
      if (!/^https?:$/.test(link.protocol) || link.target !== "_blank" || !link.rel.includes("noopener") || link.title !== link.href) wrong.push(`a link ${link.outerHTML}`);
    }
    // The frame of a block of code and its button are the app's own.
    for (const element of root.querySelectorAll(".markdown [id], .markdown [name], .markdown [class]:not(div.code)")) wrong.push(`a name ${element.outerHTML.slice(0, 200)}`);
    const hidden = new RegExp(hiding, "u").exec(root.textContent ?? "");
    if (hidden) wrong.push(`a hidden character ${escape(hidden[0])} in ${(root.textContent ?? "").slice(Math.max(0, hidden.index - 60), hidden.index + 20)}`);
  }
  if ("polluted" in {}) wrong.push("every object was changed");
  if (!document.title.endsWith("Afield")) wrong.push(`the title is ${document.title}`);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) wrong.push("the page became wider than the screen");
  return wrong;
}
