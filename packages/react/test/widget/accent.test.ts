// @vitest-environment node
/** A site's colour, whatever it is, gives a widget that can be read. */

import { expect, test } from "vitest";

import { accentTokens, contrast, parseColor } from "../../src/widget/accent.js";

/** The two colours of a token, light and dark. */
function colorsOf(token = ""): [string, string] {
  const [, light = "", dark = ""] = /^light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)$/.exec(token) ?? [];
  return [light, dark];
}

function contrastOf(one: string, other: string): number {
  const [a, b] = [parseColor(one), parseColor(other)];
  if (!a || !b) throw new Error(`${one} or ${other} is no colour`);
  return contrast(a, b);
}

const SURFACES = ["#fdfdfe", "#121216"] as const;

/** Every sixteenth or so of the cube, its corners among them. */
const COLORS = Array.from({ length: 6 ** 3 }, (_, n) =>
  [n % 6, Math.floor(n / 6) % 6, Math.floor(n / 36)].map((part) => (part * 51).toString(16).padStart(2, "0")).join(""),
).map((digits) => `#${digits}`);

test("text can be read on every accent, and every accent on the surface", () => {
  for (const color of COLORS) {
    const tokens = accentTokens(color) ?? {};
    const [fill, text, mark, soft] = ["accent", "accent-text", "accent-mark", "accent-soft"].map((name) => colorsOf(tokens[`--cs-${name}`]));
    for (const theme of [0, 1] as const) {
      const describe = `${color} in ${theme === 0 ? "light" : "dark"}`;
      expect(contrastOf(text?.[theme] ?? "", fill?.[theme] ?? ""), `text of ${describe}`).toBeGreaterThanOrEqual(4.5);
      expect(contrastOf(mark?.[theme] ?? "", SURFACES[theme]), `marks of ${describe}`).toBeGreaterThanOrEqual(4.5);
      expect(contrastOf(mark?.[theme] ?? "", soft?.[theme] ?? ""), `marks on the tint of ${describe}`).toBeGreaterThanOrEqual(4.5);
      expect(contrastOf(fill?.[theme] ?? "", SURFACES[theme]), `the fill of ${describe}`).toBeGreaterThanOrEqual(1.25);
    }
  }
});

test("a colour that can be read is kept as it is", () => {
  expect(colorsOf(accentTokens("#1d4ed8")?.["--cs-accent"])[0]).toBe("#1d4ed8");
  expect(colorsOf(accentTokens("#000")?.["--cs-accent"])[0]).toBe("#000000");
  // A bright yellow stays yellow, and its text becomes dark.
  const yellow = accentTokens("#ffcc00");
  expect(colorsOf(yellow?.["--cs-accent"])[1]).toBe("#ffcc00");
  expect(contrastOf(colorsOf(yellow?.["--cs-accent-text"])[0], "#000000")).toBeLessThan(1.5);
});

test("colours are read in several forms, and what is none is refused", () => {
  const [hex, short, rgb, modern, share] = ["#ff0000", "#f00", "rgb(255, 0, 0)", "rgb(255 0 0 / 50%)", "rgb(100% 0% 0%)"].map((text) => accentTokens(text));
  expect(new Set([hex, short, rgb, modern, share].map((tokens) => JSON.stringify(tokens))).size).toBe(1);
  expect(parseColor("oklch(62.8% 0.2577 29.23)")?.h).toBeCloseTo(parseColor("#f00")?.h ?? 0, 0);
  for (const text of ["", "red;}", "#ggg", "rgb(1,2)", "url(//e)", "rgb(a b c)", "var(--x)"]) expect(accentTokens(text), text).toBeUndefined();
  expect(accentTokens("tomato", (name) => (name === "tomato" ? "#ff6347" : undefined))).toBeDefined();
});
