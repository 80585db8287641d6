"use client";

/** What a message says. Every element is made by name from a known list, and no text ever becomes markup. */

import type { Attachment, MessageContent, ReceivedContent } from "@cossistant/protocol/types";
import { createElement, Fragment, memo, useMemo, useState, type ReactNode } from "react";

import { attachmentUrl, isImage, sizeText } from "../attachments.js";
import { isEmojiOnly, linkParts } from "../links.js";
import { parseRichText, type RichNode } from "../rich-text.js";

/** What links say beside their text. */
export interface LinkTexts {
  /** The link opens another tab. */
  readonly newTab: string;
  /** The name of a picture. */
  image(name: string): string;
}

/** What `MessageBody` takes. */
export interface MessageBodyProps {
  /** What the message says. */
  content: MessageContent | ReceivedContent;
  texts: LinkTexts;
  /** For sizes of files. */
  language: string;
}

/** A message's text or rich text, and its attachments; unstyled but for class names. */
export const MessageBody = memo(function MessageBody({ content, texts, language }: MessageBodyProps) {
  const { text = "", html, attachments = [] } = content;
  const isLarge = !html && attachments.length === 0 && isEmojiOnly(text);
  return (
    <>
      {html ? <RichText html={html} newTab={texts.newTab} /> : text && <PlainText text={text} isLarge={isLarge} newTab={texts.newTab} />}
      {attachments.map((attachment, index) => (
        <AttachmentView key={`${attachment.id} ${index}`} attachment={attachment} texts={texts} language={language} />
      ))}
    </>
  );
});

/** A text as it was written, with its links. */
export function PlainText({ text, newTab, isLarge = false }: { text: string; newTab: string; isLarge?: boolean }) {
  const parts = useMemo(() => linkParts(text), [text]);
  return (
    <p className={isLarge ? "text emoji" : "text"} dir="auto">
      {parts.map((part, index) =>
        part.type === "text" ? part.text : <Link key={index} href={part.href} newTab={newTab} children={part.text} />,
      )}
    </p>
  );
}

/** Rich text, made of known elements alone. */
export function RichText({ html, newTab }: { html: string; newTab: string }) {
  const nodes = useMemo(() => parseRichText(html), [html]);
  return (
    <div className="text rich" dir="auto">
      {nodes.map((node, index) => richNode(node, index, newTab))}
    </div>
  );
}

const HOLDS_NO_TEXT = new Set<string>(["table", "thead", "tbody", "tr", "ul", "ol"]);

function richNode(node: RichNode, key: number, newTab: string): ReactNode {
  if (typeof node === "string") return node;
  const { tag, href, dir, lang } = node;
  // Between the cells of a table and the items of a list, space is no text.
  const inside = HOLDS_NO_TEXT.has(tag) ? node.children.filter((child) => typeof child !== "string") : node.children;
  const children = inside.map((child, index) => richNode(child, index, newTab));
  if (tag === "a") return href ? <Link key={key} href={href} newTab={newTab} children={children} /> : <Fragment key={key}>{children}</Fragment>;
  if (tag === "br" || tag === "hr") return createElement(tag, { key });
  // A paragraph may not hold another one, and this one may come to.
  if (tag === "p" || tag === "h") return <div key={key} className={tag} dir={dir} lang={lang} children={children} />;
  // A table may be wider than its bubble, and is scrolled with the keyboard too.
  return createElement(tag, { key, dir, lang, ...(tag === "table" && { tabIndex: 0 }) }, ...children);
}

function Link({ href, newTab, children }: { href: string; newTab: string; children: ReactNode }) {
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
      {children}
      <span className="hidden"> ({newTab})</span>
    </a>
  );
}

function AttachmentView({ attachment, texts, language }: { attachment: Attachment; texts: LinkTexts; language: string }) {
  // A picture may be gone, or forbidden by the page's policy.
  const [isBroken, setBroken] = useState(false);
  const url = attachmentUrl(attachment.url);
  if (!url) return <span className="file">{attachment.name}</span>;
  const isPicture = isImage(attachment) && !isBroken;
  return (
    <a className={isPicture ? "picture" : "file"} href={url} target="_blank" rel="noopener noreferrer nofollow ugc">
      {isPicture ? (
        <img src={url} alt={texts.image(attachment.name)} loading="lazy" decoding="async" referrerPolicy="no-referrer" onError={() => setBroken(true)} />
      ) : (
        <>
          <span className="file-name">{attachment.name}</span>
          {attachment.size !== undefined && <span className="file-size">{sizeText(attachment.size, language)}</span>}
        </>
      )}
      <span className="hidden"> ({texts.newTab})</span>
    </a>
  );
}
