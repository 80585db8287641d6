/** How far messages of the team have come, and what one may do with a message. */

import type { ConversationMessage } from "@cossistant/react/websocket";

/** What stands under a message of the team. */
export type Mark = "queued" | "sending" | "sent" | "seen" | "failed";

/**
 * The mark of a message; undefined where none stands. What is not stored has one each; of what is stored the newest that
 * the visitor can read has one, and speaks for those above it.
 */
export function markOf(message: ConversationMessage, newest: string | undefined, visitorSeen: number): Mark | undefined {
  const { delivery, key, seq = 0, isDeleted } = message;
  if (delivery !== "sent") return delivery;
  if (key !== newest || isDeleted) return undefined;
  return seq <= visitorSeen ? "seen" : "sent";
}

/** The key of the newest message of the team that is stored and that the visitor can read. */
export function newestToVisitor(messages: readonly ConversationMessage[]): string | undefined {
  return messages.findLast(
    ({ senderType, visibility, delivery, isDeleted }) =>
      senderType !== "visitor" && visibility === "public" && delivery === "sent" && !isDeleted,
  )?.key;
}

/** What somebody may do with a message, as the server will judge it. */
export function rightsOn(message: ConversationMessage, isAdmin: boolean): { canEdit: boolean; canDelete: boolean } {
  const { messageId, isDeleted, isOwn, visibility, content, senderType } = message;
  const exists = messageId !== undefined && !isDeleted;
  const isTheirs = isOwn || (visibility === "internal" && senderType !== "visitor");
  // Rich text was not written here, and would be lost by a field for plain text.
  return { canEdit: exists && isTheirs && !content?.html, canDelete: exists && (isTheirs || isAdmin) };
}
