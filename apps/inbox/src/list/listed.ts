/** Which conversations are worth a row. */

import type { InboxConversation } from "@cossistant/react/websocket";

/**
 * The rows that say something. A conversation begins with a visitor's first letter; when they take it back and leave, it
 * stays behind with nothing in it, and nobody can answer that. While they are there it is shown, so that a row does not
 * come and go with each pause in their writing. So are the one that is open and those with a draft. The same list, if all
 * of them say something.
 */
export function worthARow(
  rows: readonly InboxConversation[],
  openId: string | undefined,
  draftOf: (conversationId: string) => unknown,
): readonly InboxConversation[] {
  const isWorth = ({ lastMessage, typing, isOnline, conversationId: id }: InboxConversation): boolean =>
    lastMessage !== undefined || isOnline || typing.length > 0 || id === openId || draftOf(id) !== undefined;
  return rows.every(isWorth) ? rows : rows.filter(isWorth);
}
