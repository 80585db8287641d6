/** The conversations in which a visitor waits to be read: the number in the page's title. */

import type { InboxConversation, NewMessage } from "@cossistant/react/websocket";

/** How many are counted. */
const MAX = 99;

/** Whether one is to hear of what a visitor says there: it is nobody's yet, as far as is known, or one's own. */
export function isMine(assignee: string | null | undefined, me: string): boolean {
  return assignee === undefined || assignee === null || assignee === me;
}

/** Whether a message is one that `me` is to hear of. */
export function concerns(message: NewMessage, assignee: string | null | undefined, me: string): boolean {
  return message.senderType === "visitor" && isMine(assignee, me);
}

/**
 * How many conversations wait: those of the list, and of those that it does not show the ones in which something was
 * said since.
 */
export function countWaiting(listed: readonly InboxConversation[], missed: ReadonlySet<string>, me: string): number {
  let count = missed.size;
  for (const { conversationId, unreadCount, assignedTeamMemberId } of listed) {
    if (missed.has(conversationId)) count -= 1;
    if (unreadCount > 0 && isMine(assignedTeamMemberId, me)) count += 1;
  }
  return count;
}

/** The title of the page. */
export function titleOf(count: number, website: string): string {
  const name = website ? `${website} · Inbox` : "Inbox";
  return count === 0 ? name : `(${count > MAX ? `${MAX}+` : count}) ${name}`;
}
