/** The one line that a row says of its conversation. */

import type { ConversationMessage, InboxConversation } from "@cossistant/react/websocket";

/** See above. */
export type Line =
  /** What the visitor writes at this moment; undefined where it is not told. */
  | { readonly type: "typing"; readonly text: string | undefined }
  /** What one has begun to answer. */
  | { readonly type: "draft"; readonly text: string }
  /** What was said last. */
  | { readonly type: "message"; readonly text: string; readonly by: "visitor" | "self" | "team"; readonly isNote: boolean };

/** Longer texts are cut by the row anyway. */
const MAX = 200;

/** The line of a row, whose draft is `draft`. What happens now comes before what was. */
export function lineOf({ typing, lastMessage }: InboxConversation, draft: string): Line {
  const visitor = typing.find(({ userType }) => userType === "visitor");
  if (visitor) return { type: "typing", text: visitor.text === undefined ? undefined : visitor.text.slice(-MAX) };
  if (draft.trim()) return { type: "draft", text: flat(draft) };
  if (!lastMessage) return { type: "message", text: "No messages yet", by: "visitor", isNote: false };
  const { senderType, isOwn, visibility } = lastMessage;
  const by = senderType === "visitor" ? "visitor" : isOwn ? "self" : "team";
  return { type: "message", text: summaryOf(lastMessage), by, isNote: visibility === "internal" };
}

/** A message in one line. */
export function summaryOf({ content, isDeleted }: Pick<ConversationMessage, "content" | "isDeleted">): string {
  if (isDeleted || !content) return "Message deleted";
  if (content.text?.trim()) return flat(content.text);
  if (content.html) return flat(content.html.replace(/<[^>]*>/g, " ")) || "Formatted message";
  const [first, ...more] = content.attachments ?? [];
  if (!first) return "Empty message";
  return more.length > 0 ? `${more.length + 1} attachments` : `Attachment: ${flat(first.name)}`;
}

function flat(text: string): string {
  return text.slice(0, MAX).replace(/\s+/g, " ").trim();
}
