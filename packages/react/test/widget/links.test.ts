// @vitest-environment node
/** Links, attachments and emoji in what people write. */

import { expect, test } from "vitest";

import { attachmentAt, attachmentUrl, isImage, sizeText } from "../../src/widget/attachments.js";
import { isEmojiOnly, linkParts } from "../../src/widget/links.js";
import { TEXT_PAYLOADS, URL_PAYLOADS } from "./payloads.js";

const links = (text: string) => linkParts(text).flatMap((part) => (part.type === "link" ? [part.href] : []));

test("addresses become links, and the end of a sentence is no part of them", () => {
  expect(links("See https://a.example/b?c=1#d.")).toEqual(["https://a.example/b?c=1#d"]);
  expect(links("(https://a.example/b_(c)), www.b.example!")).toEqual(["https://a.example/b_(c)", "https://www.b.example/"]);
  expect(links("write to ada@mail.example, please")).toEqual(["mailto:ada@mail.example"]);
  expect(links("HTTP://A.EXAMPLE/X")).toEqual(["http://a.example/X"]);
  expect(links("no link: a.b, http://, 3:4, mailto:x")).toEqual([]);
});

test("the parts of a text are the text, whatever it is", () => {
  for (const text of [...TEXT_PAYLOADS, "a https://b.c/ d www.e.f g@h.ij", "", "https://x.y…", "\n\n"]) {
    expect(linkParts(text).map((part) => part.text).join("")).toBe(text);
    for (const href of links(text)) expect(href).toMatch(/^(?:https?:\/\/|mailto:)/);
  }
  const began = performance.now();
  for (const piece of ["a", "@", "a@", "www.", "https://", "(", ")", "a.", "http://a)"]) linkParts(piece.repeat(16_000 / piece.length));
  expect(performance.now() - began).toBeLessThan(3_000);
});

test("attachments come from the web alone", () => {
  for (const url of URL_PAYLOADS) expect(attachmentUrl(url) ?? "https:", url).toMatch(/^https?:/);
  expect(attachmentAt("https://x.example/a/My%20photo.JPG?x=1", "1")).toEqual({
    id: "1",
    url: "https://x.example/a/My%20photo.JPG?x=1",
    type: "image/jpeg",
    name: "My photo.JPG",
  });
  expect(attachmentAt(" https://x.example ", "1")).toMatchObject({ name: "x.example", type: "application/octet-stream" });
  expect(attachmentAt("https://x.example/%E0%A4%A", "1")?.name).toBe("%E0%A4%A");
  for (const text of ["", "x.example/a.png", "ftp://x.example/a.png", "javascript:1"]) expect(attachmentAt(text, "1"), text).toBeUndefined();
  expect(isImage({ id: "", url: "", name: "", type: "image/png" })).toBe(true);
  expect(isImage({ id: "", url: "", name: "", type: "image/png onerror=1" })).toBe(false);
  expect([0, 999, 1000, 1_234_567, 5e12].map((size) => sizeText(size, "en"))).toEqual(["0 byte", "999 byte", "1 kB", "1.2 MB", "5,000 GB"]);
});

test("a few emoji are shown large, words and digits are not", () => {
  for (const text of ["👍", "❤️ 🎉", "👩‍👩‍👧", "🇫🇷", "👋🏽"]) expect(isEmojiOnly(text), text).toBe(true);
  for (const text of ["", "1", "12", "*", "ok 👍", "👍👍👍👍", "#"]) expect(isEmojiOnly(text), text).toBe(false);
});
