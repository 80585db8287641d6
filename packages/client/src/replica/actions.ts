/** What can be done in a conversation without knowing what is in it. */

import type { ConversationStore, ReplicaSource } from "./types.js";

/** See the functions of the same names in `ConversationStore`. */
export type ConversationActions = Pick<ConversationStore, "send" | "setTyping" | "stopTyping" | "remove" | "update">;

/** Makes these functions of a conversation. */
export function createActions(source: ReplicaSource, conversationId: string): ConversationActions {
  const path = `/v1/conversations/${encodeURIComponent(conversationId)}`;
  const stopTyping = () => source.stopTyping(conversationId);
  return {
    // What becomes of it is shown by the deliveries of the client.
    send: (content, options = {}) =>
      source.send(conversationId, typeof content === "string" ? { text: content } : content, options),
    setTyping(text) {
      source.typing(conversationId, text);
      if (!text) stopTyping();
    },
    stopTyping,
    remove: (messageId) => source.request("DELETE", `${path}/messages/${messageId}`),
    update: (changes) => source.request("PATCH", path, changes),
  };
}
