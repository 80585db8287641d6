/** Where the line above what is new stands. */

import type { ConversationMessage, ConversationSnapshot } from "@cossistant/react/websocket";
import { useState } from "react";

/** What the line depends on. */
type Known = Pick<ConversationSnapshot, "messages" | "unreadCount" | "isLoading" | "status">;

/** The place of the message with which the last `count` messages of others begin. */
export function unreadAtEnd(messages: readonly ConversationMessage[], count: number): number | undefined {
  const others = messages.filter(({ isOwn, isDeleted, seq }) => !isOwn && !isDeleted && seq !== undefined);
  return count > 0 ? others.at(-count)?.seq : undefined;
}

/**
 * The place from which messages were new when the conversation was opened, or when something came while nobody looked.
 * It stays while one reads, so that the line does not vanish under one's eyes; what comes while one looks needs none.
 */
export function useUnreadFrom({ messages, unreadCount, isLoading, status }: Known, isReading: boolean): number | undefined {
  const [line, setLine] = useState<{ from: number | undefined; wasUnread: boolean }>();
  const isUnread = unreadCount > 0;
  if (status === undefined || isLoading) return line?.from;
  const isNew = isUnread && !line?.wasUnread && !(line && isReading);
  if (!line || line.wasUnread !== isUnread) {
    setLine({ from: isNew ? unreadAtEnd(messages, unreadCount) : line?.from, wasUnread: isUnread });
  }
  return line?.from;
}
