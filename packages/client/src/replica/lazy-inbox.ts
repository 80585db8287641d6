/** The inbox until its code is here: only pages of the team need it. */

import { createLazyStore, NOTHING, type LazyStore } from "./lazy.js";
import type { InboxFilter, InboxSnapshot, InboxStore, ReplicaSource } from "./types.js";

/** An inbox as applications see it, and what it is inside. */
export interface LazyInbox {
  readonly store: InboxStore;
  readonly lazy: LazyStore<InboxSnapshot, InboxStore>;
}

/** Makes a store that is an inbox, sooner or later; `open` gives that one. */
export function createLazyInbox(source: ReplicaSource, websiteId: string, open: () => Promise<InboxStore>): LazyInbox {
  let filter: InboxFilter = Object.freeze({});

  const lazy = createLazyStore<InboxSnapshot, InboxStore>(
    () => ({
      websiteId,
      subscription: source.subscriptionState(`website:${websiteId}`),
      filter,
      conversations: NOTHING,
      isLoading: true,
      isLoadingMore: false,
      hasMore: false,
      error: undefined,
      unreadCount: 0,
    }),
    open,
  );
  const { subscribe, getSnapshot, use } = lazy;

  const store: InboxStore = {
    subscribe,
    getSnapshot,
    setFilter(next) {
      filter = next;
      lazy.changed();
      use((inbox) => inbox.setFilter(next));
    },
    loadMore: async () => use((inbox) => inbox.loadMore()),
  };
  return { store, lazy };
}
