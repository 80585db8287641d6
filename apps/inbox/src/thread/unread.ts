/** Where the line above what is new stands. */

import type { ConversationMessage, ConversationSnapshot } from "@cossistant/react/websocket";
import { useState } from "react";

/** What the line depends on. */
type Known = Pick<ConversationSnapshot, "messages" | "unreadCount" | "isLoading" | "status" | "hasMore" | "seen">;

/** Whether a message is one that can be new to somebody. */
export function canBeNew({ isOwn, isDeleted }: ConversationMessage): boolean {
  return !isOwn && !isDeleted;
}

/** The place of the message with which the last `count` messages of others begin. */
export function unreadAtEnd(messages: readonly ConversationMessage[], count: number): number | undefined {
  const others = messages.filter((message) => canBeNew(message) && message.seq !== undefined);
  return count > 0 ? others.at(-count)?.seq : undefined;
}

/**
 * The place from which on messages are new to `me`. Where all that is loaded is, older ones may be too: then it is right
 * behind what one has read, which may not be loaded yet.
 */
export function unreadFrom({ messages, unreadCount, hasMore, seen }: Omit<Known, "isLoading" | "status">, me: string): number | undefined {
  const first = unreadAtEnd(messages, unreadCount);
  const isAll = first !== undefined && messages.every((message) => !canBeNew(message) || (message.seq ?? Infinity) >= first);
  if (!isAll || !hasMore) return first;
  const read = seen.find(({ userId, userType }) => userType === "user" && userId === me)?.lastSeenSeq ?? 0;
  return Math.min(first, read + 1);
}

/**
 * The place from which messages were new when the conversation was opened, or when something came while nobody looked.
 * It stays while one reads, so that the line does not vanish under one's eyes; what comes while one looks needs none.
 */
export function useUnreadFrom(conversation: Known, me: string, isReading: boolean): number | undefined {
  const { unreadCount, isLoading, status } = conversation;
  const [line, setLine] = useState<{ from: number | undefined; wasUnread: boolean }>();
  const isUnread = unreadCount > 0;
  if (status === undefined || isLoading) return line?.from;
  const isNew = isUnread && !line?.wasUnread && !(line && isReading);
  if (!line || line.wasUnread !== isUnread) {
    setLine({ from: isNew ? unreadFrom(conversation, me) : line?.from, wasUnread: isUnread });
  }
  return line?.from;
}
