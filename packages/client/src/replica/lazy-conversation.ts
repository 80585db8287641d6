/** A conversation until its code is here. What can be done without knowing what is in it is done at once. */

import { createActions } from "./actions.js";
import { NOBODY, UNKNOWN_STATE } from "./empty.js";
import { createLazyStore, type LazyStore } from "./lazy.js";
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
  /** How far one has read, and whether one has it open: told to the conversation once it is there. */
  let mark = 0;
  let isViewing: boolean | undefined;

  const { head, ...state } = UNKNOWN_STATE;
  const lazy = createLazyStore<ConversationSnapshot, ConversationStore>(
    () => ({
      ...state,
      conversationId,
      subscription: source.subscriptionState(`conversation:${conversationId}`),
      isLoading: true,
      error: undefined,
      messages: NOBODY,
      hasMore: false,
      isLoadingMore: false,
      unreadCount: 0,
    }),
    async () => {
      const conversation = await open();
      if (mark > 0) conversation.markSeen(mark);
      if (isViewing !== undefined) conversation.setViewing(isViewing);
      return conversation;
    },
    () => (isViewing = undefined),
  );
  const { subscribe, getSnapshot, real } = lazy;

  const store: ConversationStore = {
    subscribe,
    getSnapshot,
    ...createActions(source, conversationId),
    // As long as nothing is shown, nothing can be sent again, taken away or read to its end.
    retry: (key) => real()?.retry(key),
    discard: (key) => real()?.discard(key),
    markSeen(seq) {
      if (real()) return real()?.markSeen(seq);
      mark = Math.max(mark, seq ?? 0);
      lazy.load().catch(() => {});
    },
    setViewing(next) {
      if (real()) return real()?.setViewing(next);
      isViewing = next;
      lazy.load().catch(() => {});
    },
    async loadMore() {
      lazy.tryAgain();
      await real()?.loadMore();
    },
    edit: async (messageId, content) => (await lazy.load()).edit(messageId, content),
  };
  return { store, lazy };
}
