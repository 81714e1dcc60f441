/**
 * Markdown of agents as elements. Loaded when first needed.
 *
 * Agent output is hostile by assumption: nothing in it loads or runs anything. No images, no
 * links made from bare addresses, no styles, no forms, no ids; links show where they lead.
 */
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { readable } from "./visible";

const TAGS = "p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong del a table thead tbody tr th td".split(" ");
/** Longer texts are shown as they are: parsing must not hold up the screen. */
const MARKDOWN_MAX = 200 * 1024;

const marked = new Marked({ gfm: true, breaks: false, async: false });
// Bare addresses stay text: who follows one has read it first.
marked.use({ tokenizer: { url: () => undefined, html: () => undefined, tag: () => undefined } });

export function render(said: string): DocumentFragment {
  const text = readable(said);
  const html = text.length > MARKDOWN_MAX ? undefined : parsed(text);
  if (html === undefined) return plain(text);
  const clean = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "align", "start"],
    ALLOWED_URI_REGEXP: /^https?:\/\//i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of clean.querySelectorAll("a")) openElsewhere(link);
  for (const table of clean.querySelectorAll("table, pre")) table.setAttribute("tabindex", "0");
  for (const code of clean.querySelectorAll("pre")) withCopy(code);
  return clean;
}

/** Nothing for what is nested deeper than the parser can follow. */
function parsed(text: string): string | undefined {
  try {
    return marked.parse(text) as string;
  } catch {
    return undefined;
  }
}

function plain(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const block = document.createElement("pre");
  block.textContent = text;
  fragment.append(block);
  return fragment;
}

function openElsewhere(link: HTMLAnchorElement): void {
  if (!link.hasAttribute("href")) return;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.title = link.href;
}

/** Puts a button beside a block of code that copies it. */
function withCopy(code: HTMLElement): void {
  const [frame, button] = [document.createElement("div"), document.createElement("button")];
  frame.className = "code";
  button.type = "button";
  button.textContent = "Copy";
  button.onclick = () => {
    const text = code.textContent ?? "";
    navigator.clipboard.writeText(text.replace(/\n$/, "")).then(
      () => (button.textContent = "Copied"),
      () => (button.textContent = "Not copied: the browser refused"),
    );
  };
  code.replaceWith(frame);
  frame.append(code, button);
}
