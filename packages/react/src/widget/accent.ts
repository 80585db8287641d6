/** The website's own colour, made fit to be read. */

/** A colour in OKLCH: lightness 0 to 1, chroma, hue in degrees. */
interface Oklch {
  readonly l: number;
  readonly c: number;
  readonly h: number;
}

/** What text needs against what it stands on. */
const TEXT_CONTRAST = 4.5;
/** A button has to be told from what lies around it; what it says is read by its text. */
const FILL_CONTRAST = 1.3;
/** By how much a colour is darkened so that white can be read on it. Past that, dark text does the site's colour more justice. */
const MAX_DARKENING = 0.09;

/** Of the two themes, as in `tokens.css`: the surface, and what on it is the least favourable for marks. */
const LIGHT = { surface: { l: 0.994, c: 0.001, h: 285 }, worst: { l: 0.938, c: 0.005, h: 285 } };
const DARK = { surface: { l: 0.174, c: 0.006, h: 285 }, worst: { l: 0.268, c: 0.01, h: 285 } };

const WHITE: Oklch = { l: 1, c: 0, h: 0 };
const INK: Oklch = { l: 0.16, c: 0.01, h: 285 };

/**
 * The tokens that follow from a website's colour, as `color` of CSS: `--cs-accent`, `--cs-accent-text`, `--cs-accent-soft`
 * and `--cs-accent-mark`. The colour itself is kept where it can be read and told apart, and else moved in lightness
 * alone. Undefined when the text is no colour.
 *
 * `#…`, `rgb()` and `oklch()` are read as they are; `resolve` makes one of these of any other form, such as a name.
 */
export function accentTokens(color: string, resolve?: (color: string) => string | undefined): Record<string, string> | undefined {
  const base = parseColor(color) ?? parseColor(resolve?.(color) ?? "");
  if (!base) return undefined;
  const light = fillOf(base, LIGHT.surface, -1);
  const dark = fillOf(base, DARK.surface, 1);
  const lightTint = { ...base, l: 0.955, c: Math.min(base.c, 0.025) };
  const darkTint = { ...base, l: 0.29, c: Math.min(base.c, 0.06) };
  const isMark = (...grounds: Oklch[]) => (it: Oklch) => grounds.every((ground) => contrast(it, ground) >= TEXT_CONTRAST);
  return {
    "--cs-accent": both(light.fill, dark.fill),
    "--cs-accent-text": both(light.text, dark.text),
    "--cs-accent-soft": both(lightTint, darkTint),
    "--cs-accent-mark": both(moved(base, -1, isMark(LIGHT.worst, lightTint)), moved(base, 1, isMark(DARK.worst, darkTint))),
  };
}

/** How well one colour is read on another, by WCAG: 1 to 21. */
export function contrast(one: Oklch, other: Oklch): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** Reads a colour; `undefined` when it is of another form. */
export function parseColor(text: string): Oklch | undefined {
  const color = text.trim().toLowerCase();
  const hex = /^#(?:([0-9a-f]{3})[0-9a-f]?|([0-9a-f]{6})(?:[0-9a-f]{2})?)$/.exec(color);
  if (hex) {
    const digits = hex[2] ?? [...(hex[1] ?? "")].map((digit) => digit + digit).join("");
    return fromRgb([0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)));
  }
  const [, name, rest = ""] = /^(rgba?|oklch)\(([^)]*)\)$/.exec(color) ?? [];
  const parts = rest.split(/[\s,/]+/).filter(Boolean);
  const numbers = parts.slice(0, 3).map(Number.parseFloat);
  if (!name || numbers.length < 3 || numbers.some(Number.isNaN)) return undefined;
  const [first = 0, c = 0, h = 0] = numbers;
  if (name === "oklch") return { l: parts[0]?.endsWith("%") ? first / 100 : first, c, h };
  return fromRgb(numbers.map((part, at) => (parts[at]?.endsWith("%") ? part * 2.55 : part)));
}

/** A fill and the text on it. `step` is towards what differs from the surface. */
function fillOf(base: Oklch, surface: Oklch, step: 1 | -1): { fill: Oklch; text: Oklch } {
  const fill = moved(base, step, (it) => contrast(it, surface) >= FILL_CONTRAST);
  const darker = moved(fill, -1, (it) => contrast(WHITE, it) >= TEXT_CONTRAST);
  if (fill.l - darker.l <= MAX_DARKENING && contrast(darker, surface) >= FILL_CONTRAST) return { fill: darker, text: WHITE };
  return { fill: moved(fill, 1, (it) => contrast(INK, it) >= TEXT_CONTRAST), text: INK };
}

/** The nearest lightness that does, in one direction. */
function moved(color: Oklch, step: 1 | -1, fits: (color: Oklch) => boolean): Oklch {
  let next = color;
  while (!fits(next) && (step > 0 ? next.l < 1 : next.l > 0)) next = { ...next, l: Math.min(1, Math.max(0, next.l + step * 0.005)) };
  return next;
}

function both(light: Oklch, dark: Oklch): string {
  return `light-dark(${hexOf(light)}, ${hexOf(dark)})`;
}

function hexOf(color: Oklch): string {
  const digits = toLinear(color).map((part) => Math.round(255 * encoded(part)).toString(16).padStart(2, "0"));
  return `#${digits.join("")}`;
}

function luminance(color: Oklch): number {
  // What is shown is rounded, and is what must be read.
  const [r = 0, g = 0, b = 0] = toLinear(color).map((part) => decoded(Math.round(255 * encoded(part)) / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const encoded = (part: number) => (part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055);
const decoded = (part: number) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);

/** Linear sRGB, cut to what a screen can show. */
function toLinear({ l: lightness, c, h }: Oklch): number[] {
  const angle = (h * Math.PI) / 180;
  const [a, b] = [c * Math.cos(angle), c * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((part) => Math.min(1, Math.max(0, part)));
}

/** From bytes of sRGB. */
function fromRgb(bytes: number[]): Oklch {
  const [r = 0, g = 0, b = 0] = bytes.map((byte) => decoded(Math.min(255, Math.max(0, byte)) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const bb = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  return {
    l: 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    c: Math.hypot(a, bb),
    h: (Math.atan2(bb, a) * 180) / Math.PI,
  };
}
