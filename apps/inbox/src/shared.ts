/** What the inbox has in common with the widget: text, links, files and days are read by the same rules. */

export {
  accentTokens,
  attachmentAt,
  attachmentUrl,
  dayText,
  isEmojiOnly,
  isImage,
  linkParts,
  MAX_ATTACHMENTS,
  parseRichText,
  safeUrl,
  sizeText,
  timeText,
  type RichNode,
} from "@cossistant/react/widget";
