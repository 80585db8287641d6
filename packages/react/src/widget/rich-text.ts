/**
 * Rich text without a parser of the browser's.
 *
 * The server has sanitised it, and nothing here relies on that: what comes out is a tree of a few known elements with a
 * few known attributes, from which elements are made one by one. No text ever becomes markup again, so it needs no
 * permission of a page that enforces Trusted Types, and nothing of it can run, load or submit.
 */

import { safeUrl } from "./links.js";

/** A piece of rich text: a text, or an element with what is in it. */
export type RichNode = string | RichElement;

/** An element that is known to be harmless. */
export interface RichElement {
  readonly tag: RichTag;
  /** Where a link leads; absolute, of a harmless scheme. */
  readonly href?: string;
  /** Which way it is written. */
  readonly dir?: "ltr" | "rtl" | "auto";
  /** Which language it is in. */
  readonly lang?: string;
  readonly children: readonly RichNode[];
}

const TAGS = [
  "a", "b", "blockquote", "br", "code", "del", "em", "h", "hr", "i", "li", "ol", "p", "pre", "s", "strong", "sub", "sup",
  "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
] as const; // prettier-ignore

/** `h` is a heading of any level, which in a message is a line in bold: the page's own headings must not be disturbed. */
export type RichTag = (typeof TAGS)[number];

/** Known by another name. */
const SAME = new Map<string, RichTag>([
  ["div", "p"], ["h1", "h"], ["h2", "h"], ["h3", "h"], ["h4", "h"], ["h5", "h"], ["h6", "h"], ["ins", "u"], ["strike", "s"],
  ["kbd", "code"], ["samp", "code"],
]); // prettier-ignore

/** Elements without content. */
const EMPTY = new Set<string>(["br", "hr"]);

/** What is in these is no text for people. */
const DROPPED = new Set([
  "script", "style", "template", "iframe", "object", "embed", "svg", "math", "textarea", "select", "title", "noscript",
  "noembed", "noframes", "xmp", "plaintext", "head", "audio", "video", "canvas",
]); // prettier-ignore

/** Deeper ones are flattened, so that no message can exhaust a stack. */
const MAX_DEPTH = 24;
/** Longer ones say nothing that is kept, in characters. */
const MAX_ATTRIBUTES = 4_096;
/** So many elements are remembered as open. */
const MAX_OPEN = 100;

/** Reads rich text. Takes time linear in its length, whatever it is. */
export function parseRichText(html: string): RichNode[] {
  const root: RichNode[] = [];
  const open: { name: string; children: RichNode[] }[] = [];
  const children = () => open.at(-1)?.children ?? root;
  const say = (text: string) => {
    if (text) children().push(decoded(text));
  };
  let at = 0;
  while (at < html.length) {
    const start = html.indexOf("<", at);
    if (start < 0) break;
    say(html.slice(at, start));
    if (html.startsWith("<!--", start)) {
      const end = html.indexOf("-->", start + 4);
      at = end < 0 ? html.length : end + 3;
      continue;
    }
    const tag = readTag(html, start);
    if (tag === "text") {
      say("<");
      at = start + 1;
      continue;
    }
    // A tag that does not end is none, and neither is anything behind it.
    if (!tag) return root;
    at = tag.end;
    if (tag.isClosing) close(open, tag.name);
    else if (DROPPED.has(tag.name)) at = skipped(html, tag);
    else enter(open, children(), tag);
  }
  say(html.slice(at));
  return root;
}

interface Tag {
  readonly name: string;
  readonly isClosing: boolean;
  readonly attributes: string;
  /** Behind the `>`. */
  readonly end: number;
}

/** The tag that begins at a `<`; `text` when that is a mere character, undefined when the tag does not end. */
function readTag(html: string, start: number): Tag | "text" | undefined {
  const [, slash, name] = /^<(\/?)([a-z][^\s/>]{0,40})/i.exec(html.slice(start, start + 44)) ?? [];
  if (!name) {
    if (!/[!?/]/.test(html[start + 1] ?? "")) return "text";
    // Declarations and the like.
    const end = html.indexOf(">", start);
    return end < 0 ? undefined : { name: "!", isClosing: true, attributes: "", end: end + 1 };
  }
  let quote = "";
  for (let at = start + 1 + (slash?.length ?? 0) + name.length; at < html.length; at += 1) {
    const char = html[at];
    if (quote) quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === ">") {
      const attributes = html.slice(start + 1 + (slash?.length ?? 0) + name.length, at);
      return { name: name.toLowerCase(), isClosing: !!slash, attributes, end: at + 1 };
    }
  }
  return undefined;
}

/** Opens an element, or looks through one that is not known. */
function enter(open: { name: string; children: RichNode[] }[], siblings: RichNode[], { name, attributes }: Tag): void {
  const tag = SAME.get(name) ?? TAGS.find((known) => known === name && known !== "h");
  if (!tag || open.length >= MAX_DEPTH) {
    // Its content stands for itself.
    if (!EMPTY.has(name) && open.length < MAX_OPEN) open.push({ name, children: siblings });
    return;
  }
  const inside: RichNode[] = [];
  siblings.push({ tag, ...(attributes.length <= MAX_ATTRIBUTES && known(tag, attributes)), children: inside });
  if (!EMPTY.has(name)) open.push({ name, children: inside });
}

/** Closes the nearest element of this name, with all that were left open in it. */
function close(open: { name: string }[], name: string): void {
  for (let at = open.length - 1; at >= 0; at -= 1) {
    if (open[at]?.name !== name) continue;
    open.length = at;
    return;
  }
}

/** Behind the end of an element that is dropped with its content. */
function skipped(html: string, { name, end }: Tag): number {
  // The content may be long, and the search must not care for case.
  const closing = new RegExp(`</${name}[\\s/>]`, "gi");
  closing.lastIndex = end;
  const match = closing.exec(html);
  if (!match) return html.length;
  const close = html.indexOf(">", match.index);
  return close < 0 ? html.length : close + 1;
}

/** The attributes that are kept. */
function known(tag: RichTag, text: string): Partial<RichElement> {
  const found: { href?: string; dir?: "ltr" | "rtl" | "auto"; lang?: string } = {};
  for (const [, name = "", double, single, bare] of text.matchAll(/([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g)) {
    const value = decoded(double ?? single ?? bare ?? "");
    switch (name.toLowerCase()) {
      case "href": {
        const href = tag === "a" ? safeUrl(value.trim()) : undefined;
        if (href) found.href ??= href;
        break;
      }
      case "dir":
        if (value === "ltr" || value === "rtl" || value === "auto") found.dir ??= value;
        break;
      case "lang":
        if (/^[a-z]{2,8}(-[a-z0-9]{1,8}){0,4}$/i.test(value)) found.lang ??= value;
        break;
      default:
    }
  }
  return found;
}

/** Names of characters that a serialiser writes; others stay as they are written. */
const NAMED = new Map([["amp", "&"], ["lt", "<"], ["gt", ">"], ["quot", '"'], ["apos", "'"], ["nbsp", "\u00a0"]]);

function decoded(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]{2,4}));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name) return NAMED.get(name.toLowerCase()) ?? whole;
    const code = hex ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}
