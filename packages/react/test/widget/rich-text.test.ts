// @vitest-environment node
/** Rich text becomes a tree of harmless elements, whatever it is. */

import { expect, test } from "vitest";

import { parseRichText, type RichNode } from "../../src/widget/rich-text.js";
import { HTML_PAYLOADS } from "./payloads.js";

/** A tree in brackets, for reading. */
function written(nodes: readonly RichNode[]): string {
  return nodes
    .map((node) => (typeof node === "string" ? node : `[${node.tag}${node.href ? ` ${node.href}` : ""}${node.dir ? ` ${node.dir}` : ""}: ${written(node.children)}]`))
    .join("");
}

const parsed = (html: string) => written(parseRichText(html));

test("what the server lets through is kept", () => {
  expect(parsed('<p>It is <b>on its way</b>: <a href="https://x.y/?a=1&amp;b=2" rel="noopener">track it</a></p>')).toBe(
    "[p: It is [b: on its way]: [a https://x.y/?a=1&b=2: track it]]",
  );
  expect(parsed("<ul><li>one</li><li>two<br>lines</li></ul>")).toBe("[ul: [li: one][li: two[br: ]lines]]");
  expect(parsed("<h2>Title</h2><div dir='rtl'>x</div>")).toBe("[h: Title][p rtl: x]");
  expect(parsed("a &lt;b&gt; &amp;amp; &quot;c&quot;&nbsp;&#39;&#x1F600;")).toBe("a <b> &amp; \"c\"\u00a0'😀");
});

test("what is unknown is looked through, and what is no text is dropped", () => {
  expect(parsed("<font color=red>x</font><custom-tag>y</custom-tag>")).toBe("xy");
  // What every object has is not known either.
  expect(parsed("<constructor>x</constructor><__proto__>y<toString>z")).toBe("x<__proto__>yz");
  expect(parsed("a<script>alert(1)</script>b<STYLE>p{}</STYLE >c<svg><a href='javascript:1'>z</a></svg>d")).toBe("abcd");
  expect(parsed("a<!-- <b>no</b> -->b<!doctype html>c<?php x ?>d")).toBe("abcd");
  expect(parsed("1 < 2 and 3 <4> 5")).toBe("1 < 2 and 3 <4> 5");
  expect(parsed("<b>open <i>both</b> after")).toBe("[b: open [i: both]] after");
  expect(parsed("</b>x")).toBe("x");
});

test("links lead to the web or to a mailbox, and nowhere else", () => {
  for (const href of ["javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "&#106;avascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//evil.example", "/relative", "blob:x", "#here"]) {
    expect(parsed(`<a href="${href}">x</a>`), href).toBe("[a: x]");
  }
  expect(parsed('<a href="mailto:a@b.c">x</a>')).toBe("[a mailto:a@b.c: x]");
  // The first one counts, as in a browser.
  expect(parsed('<a href="https://a.b/" href="javascript:1">x</a>')).toBe("[a https://a.b/: x]");
});

test("nothing of known attacks is kept but harmless elements and addresses", () => {
  const TAGS = /^(?:a|b|blockquote|br|code|del|em|h|hr|i|li|ol|p|pre|s|strong|sub|sup|table|tbody|td|th|thead|tr|u|ul)$/;
  const look = (nodes: readonly RichNode[], payload: string): void => {
    for (const node of nodes) {
      if (typeof node === "string") continue;
      expect(node.tag, payload).toMatch(TAGS);
      expect(Object.keys(node).sort().join(), payload).toMatch(/^children,(?:dir,)?(?:href,)?(?:lang,)?tag$/);
      if (node.href !== undefined) expect(node.href, payload).toMatch(/^(?:https?:\/\/|mailto:)/);
      look(node.children, payload);
    }
  };
  expect(HTML_PAYLOADS.length).toBeGreaterThanOrEqual(40);
  for (const payload of HTML_PAYLOADS) look(parseRichText(payload), payload);
});

test("the time is linear in the length, and depth has a bound", () => {
  const began = performance.now();
  for (const piece of ["<a", "<b>", "</b>", "<!--", "<x>", "<b href='", "&#", "<script>", "<a href=\"", "</", "<a b='\"", "<i><b></i>"]) parseRichText(piece.repeat(20_000));
  // Quadratic time would be minutes.
  expect(performance.now() - began).toBeLessThan(5_000);
  const depth = (nodes: readonly RichNode[]): number => Math.max(0, ...nodes.map((node) => (typeof node === "string" ? 0 : 1 + depth(node.children))));
  expect(depth(parseRichText("<blockquote>".repeat(500)))).toBeLessThan(30);
});
