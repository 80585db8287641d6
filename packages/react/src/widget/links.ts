/** Addresses in messages: which are safe to open, and where they stand in a text. */

/** A stretch of a text. */
export type TextPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "link"; readonly text: string; readonly href: string };

/** Schemes of links; everything else is shown as text. */
const LINK_SCHEMES = ["http:", "https:", "mailto:"];

/**
 * The address in the form in which it may be opened, or undefined. It has to be absolute, and of `schemes`: a relative
 * one would lead into whatever page the widget is on.
 */
export function safeUrl(address: string, schemes: readonly string[] = LINK_SCHEMES): string | undefined {
  try {
    const { href, protocol } = new URL(address);
    return schemes.includes(protocol) ? href : undefined;
  } catch {
    return undefined;
  }
}

/** Characters that end a sentence rather than an address. */
const TRAILING = /[.,;:!?'"*_»”’…]+$/;

// Each alternative begins with a fixed text or is bounded, so the time is linear in the length of the text.
const ADDRESS = /\bhttps?:\/\/[^\s<>"]+|\bwww\.[^\s<>"]{3,}|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/gi;

/** A plain text with its links told apart. The parts joined are the text. */
export function linkParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  const say = (from: number, to: number) => {
    if (to > from) parts.push({ type: "text", text: text.slice(from, to) });
  };
  for (const match of text.matchAll(ADDRESS)) {
    const shown = withoutTail(match[0]);
    const isMail = !/^(?:https?:|www\.)/i.test(shown);
    const href = safeUrl(isMail ? `mailto:${shown}` : /^www\./i.test(shown) ? `https://${shown}` : shown);
    if (!href) continue;
    say(end, match.index);
    parts.push({ type: "link", text: shown, href });
    end = match.index + shown.length;
  }
  say(end, text.length);
  return parts;
}

/** Without the end of the sentence, and without a bracket that was opened before the address. */
function withoutTail(address: string): string {
  for (;;) {
    const next = address.replace(TRAILING, "");
    const isUnopened = next.endsWith(")") && next.split(")").length > next.split("(").length;
    const cut = isUnopened ? next.slice(0, -1) : next;
    if (cut === address) return cut;
    address = cut;
  }
}

/** Whether a text is nothing but a few emoji, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  const trimmed = text.trim();
  if (!trimmed || trimmed.length > 40) return false;
  return /^(?:\p{RI}{2}|\p{Emoji}(?:\p{EMod}|\uFE0F\u20E3?|\u200D\p{Emoji})*\s*){1,3}$/u.test(trimmed) && /\p{Extended_Pictographic}|\p{RI}/u.test(trimmed);
}
