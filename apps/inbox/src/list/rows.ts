/** The list's conversations, for those who need one and do not show the list: by id, and by what stands beside it. */

import type { InboxConversation } from "@cossistant/react/websocket";

/** See above. Changes without telling: whoever has to follow asks again. */
export interface Rows {
  get(conversationId: string): InboxConversation | undefined;
  /** The id of the one `step` places below this one; at an end, or of one that is not listed, the nearest there is. */
  beside(conversationId: string | undefined, step: 1 | -1): string | undefined;
}

/** Rows that the list puts in. */
export interface ListedRows extends Rows {
  put(list: readonly InboxConversation[]): void;
}

/** Makes an empty one. */
export function createRows(): ListedRows {
  let list: readonly InboxConversation[] = [];
  return {
    put: (next) => void (list = next),
    get: (id) => list.find(({ conversationId }) => conversationId === id),
    beside(id, step) {
      const at = list.findIndex(({ conversationId }) => conversationId === id);
      if (at < 0) return list[0]?.conversationId;
      return list[Math.min(list.length - 1, Math.max(0, at + step))]?.conversationId;
    },
  };
}
