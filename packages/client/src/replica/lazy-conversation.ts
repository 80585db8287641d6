/** A conversation until its code is here. What does not depend on what is in it is done at once. */

import { createLazyStore, NOTHING, type LazyStore } from "./lazy.js";
import type { ConversationSnapshot, ConversationStore, ReplicaSource } from "./types.js";

/** A conversation as applications see it, and what it is inside. */
export interface LazyConversation {
  readonly store: ConversationStore;
  readonly lazy: LazyStore<ConversationSnapshot, ConversationStore>;
}

/** Makes a store that is a conversation, sooner or later; `open` gives that one. */
export function createLazyConversation(
  source: ReplicaSource,
  conversationId: string,
  open: () => Promise<ConversationStore>,
): LazyConversation {
  const lazy = createLazyStore<ConversationSnapshot, ConversationStore>(
    () => ({
      conversationId,
      subscription: source.subscriptionState(`conversation:${conversationId}`),
      isLoading: true,
      error: undefined,
      messages: NOTHING,
      hasMore: false,
      isLoadingMore: false,
      unreadCount: 0,
      visitorId: undefined,
      status: undefined,
      assignedTeamMemberId: undefined,
      seen: NOTHING,
      typing: NOTHING,
      viewing: NOTHING,
      activity: NOTHING,
      isVisitorOnline: undefined,
    }),
    open,
  );
  const { subscribe, getSnapshot, load, use } = lazy;

  const store: ConversationStore = {
    subscribe,
    getSnapshot,
    send: (content, options = {}) => source.send(conversationId, content, options),
    setTyping: (text) => source.typing(conversationId, text),
    stopTyping: () => source.stopTyping(conversationId),
    retry: (key) => use((conversation) => conversation.retry(key)),
    discard: (key) => use((conversation) => conversation.discard(key)),
    markSeen: (seq) => use((conversation) => conversation.markSeen(seq)),
    setViewing: (isViewing) => use((conversation) => conversation.setViewing(isViewing)),
    loadMore: async () => use((conversation) => conversation.loadMore()),
    edit: async (messageId, content) => (await load()).edit(messageId, content),
    remove: async (messageId) => (await load()).remove(messageId),
    update: async (changes) => (await load()).update(changes),
  };
  return { store, lazy };
}
