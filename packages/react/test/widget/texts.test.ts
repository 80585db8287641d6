// @vitest-environment node
/** The texts of all languages. */

import { expect, test } from "vitest";

import { includedLanguage, LANGUAGES } from "../../src/widget/texts/launcher.js";
import { loadTexts } from "../../src/widget/texts/texts.js";

test("every language has every text, and none is another one's", async () => {
  const all = await Promise.all(LANGUAGES.map(loadTexts));
  const [english] = all;
  // Words that are the same in two of them.
  const shared = new Set(["messages", "emoji", "retryIn"]);
  for (const texts of all) {
    for (const [name, text] of Object.entries(texts)) {
      const said = typeof text === "function" ? (text as (given: unknown) => string)(3) : text;
      expect(said.trim(), name).not.toBe("");
      const other = english?.[name as keyof typeof english];
      if (texts !== english && !shared.has(name)) expect(String(text), name).not.toBe(String(other));
    }
  }
});

test("counts agree with their words", async () => {
  const [en, fr, de] = await Promise.all(LANGUAGES.map(loadTexts));
  expect([en?.open(0), en?.open(1), en?.open(2)]).toEqual(["Open chat", "Open chat, 1 unread message", "Open chat, 2 unread messages"]);
  expect([fr?.waiting(1), de?.waiting(1), en?.waiting(2)].map((text) => text?.split(" ").slice(0, 2).join(" "))).toEqual(["1 message", "1 Nachricht", "2 messages"]);
});

test("a language is found by its first part", () => {
  expect(["fr-CA", "DE", "en", "pt-BR", ""].map(includedLanguage)).toEqual(["fr", "de", "en", "en", "en"]);
});
