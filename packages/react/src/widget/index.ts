"use client";

/**
 * The support widget: ready to use, or as parts.
 *
 * `SupportWidget` is the whole of it. For a look of one's own there are a provider and a hook with everything that the
 * widget knows and does, and the parts that are hard to get right: messages in groups with days between them, texts with
 * links and rich text that is safe to show, colours that can be read.
 */

export { SupportWidget, type SupportWidgetProps } from "./support-widget.js";
export type { SupportWidgetHandle, WidgetEvent, WidgetSnapshot } from "./widget.js";
export type { SupportConnection, SupportOptions } from "./options.js";

export { SupportProvider, useSupport, type SupportProviderProps, type UseSupportReturn } from "./parts/support.js";
export type { SupportSession, SupportSnapshot } from "./session.js";
export type { TeamPresence } from "./presence.js";
export { MessageBody, type LinkTexts, type MessageBodyProps } from "./parts/message-body.js";
export { dayText, isPersonAwaited, timeText, toRows, type Row } from "./rows.js";
export { attachmentAt, attachmentUrl, isImage, MAX_ATTACHMENTS, sizeText } from "./attachments.js";
export { isEmojiOnly, linkParts, safeUrl, type TextPart } from "./links.js";
export { parseRichText, type RichElement, type RichNode, type RichTag } from "./rich-text.js";
export { accentTokens } from "./accent.js";
export { loadTexts, type SupportTexts } from "./texts/texts.js";
export { LANGUAGES, type LauncherTexts, type SupportLanguage } from "./texts/launcher.js";
