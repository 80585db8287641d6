/** The inbox until its code is here: only pages of the team need it, so it comes when somebody listens. */

import { createStore } from "../store.js";
import { createLoader, FIRST } from "./loading.js";
import { NOBODY } from "./people.js";
import type { Replica } from "./replica.js";
import type { InboxFilter, InboxSnapshot, InboxStore } from "./types.js";

/** Makes a store that is an inbox, sooner or later. */
export function createLazyInbox(replica: Replica, websiteId: string): InboxStore {
  let inbox: InboxStore | undefined;
  let filter: InboxFilter = Object.freeze({});
  let release: (() => void) | undefined;

  const cell = createStore<InboxSnapshot>(
    () =>
      inbox?.getSnapshot() ?? {
        websiteId,
        subscription: replica.source.subscriptionState(`website:${websiteId}`),
        filter,
        conversations: NOBODY,
        isLoading: true,
        isLoadingMore: false,
        hasMore: false,
        error: undefined,
        unreadCount: 0,
      },
    () => {
      const listen = (): void => void (release = inbox?.subscribe(cell.changed));
      if (inbox) listen();
      else {
        void loader.run(
          FIRST,
          () => import("./inbox.js"),
          ({ createInboxStore }) => {
            inbox = createInboxStore(replica, websiteId);
            inbox.setFilter(filter);
            listen();
          },
        );
      }
      return () => {
        loader.abort();
        release?.();
      };
    },
  );
  const loader = createLoader<never>(replica.source, cell.changed);

  return {
    ...cell,
    setFilter(next) {
      filter = next;
      inbox?.setFilter(next);
      cell.changed();
    },
    loadMore: async () => inbox?.loadMore(),
  };
}
