import { Fragment, memo, type ReactNode } from "react";

import { isEmojiOnly, linkParts, parseRichText, type RichNode } from "../shared.js";

/** A link out of a message: in a tab of its own, which learns nothing of this page. */
function OutLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>
      {children}
    </a>
  );
}

/** Plain text, with its links. */
export const PlainText = memo(function PlainText({ text }: { text: string }) {
  return (
    <div className={isEmojiOnly(text) ? "plain emoji" : "plain"} dir="auto">
      {linkParts(text).map((part, index) =>
        part.type === "text" ? (
          <Fragment key={index}>{part.text}</Fragment>
        ) : (
          <OutLink key={index} href={part.href}>
            {part.text}
          </OutLink>
        ),
      )}
    </div>
  );
});

/** Formatted text, built of known elements; what it was written in never becomes part of the page. */
export const RichText = memo(function RichText({ html }: { html: string }) {
  return (
    <div className="rich" dir="auto">
      {parseRichText(html).map(element)}
    </div>
  );
});

/** Whether there is anything to read: what is not harmless is left out, and that may be all. */
export function hasWords(html: string): boolean {
  const isWord = (node: RichNode): boolean => (typeof node === "string" ? /\S/.test(node) : node.children.some(isWord));
  return parseRichText(html).some(isWord);
}

function element(node: RichNode, index: number): ReactNode {
  if (typeof node === "string") return node;
  const { tag, href, dir, lang, children } = node;
  const inside = children.map(element);
  if (tag === "a") {
    return href === undefined ? (
      <Fragment key={index}>{inside}</Fragment>
    ) : (
      <OutLink key={index} href={href}>
        {inside}
      </OutLink>
    );
  }
  if (tag === "br" || tag === "hr") {
    const Empty = tag;
    return <Empty key={index} />;
  }
  // A heading of a message must not become one of the page.
  const Tag = tag === "h" ? "p" : tag;
  return (
    <Tag key={index} {...(dir && { dir })} {...(lang && { lang })} {...(tag === "h" && { className: "heading" })}>
      {inside}
    </Tag>
  );
}
