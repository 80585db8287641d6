/** The replica of a website's conversations: rows, fed by events and pages. */

import type { ServerMessages } from "@cossistant/protocol/types";

import { NOBODY } from "./empty.js";
import { createLoader, FIRST, FURTHER } from "./loading.js";
import { isEqual, reduceTyping } from "./people.js";
import type { Member, Replica } from "./replica.js";
import { changedRow, createRows, isListed, reduceRow, rowOf, type ConversationItem } from "./rows.js";
import type { InboxConversation, InboxFilter, InboxSnapshot, InboxStore, Typist } from "./types.js";

/** How many conversations a page has. */
export const INBOX_PAGE = 50;
/** How many conversations are loaded anew at the most when all that is shown has to be. */
export const RELOAD_MAX = 1_000;
/** How many conversations are asked for one by one at the most; if there are more, the list is loaded anew. */
export const FETCH_MAX = 20;
/** How many conversations that the filter does not let through are kept, so that not every event of them asks again. */
export const HIDDEN_MAX = 2_000;
/** The largest page that the server gives. */
const MAX_PAGE = 200;

interface Page {
  readonly conversations: readonly ConversationItem[];
  readonly nextCursor: string | null;
}

/** Makes the replica of a website's conversations. Prefer `stores.inbox(id)`, which gives the one that is there. */
export function createInboxStore(replica: Replica, websiteId: string): InboxStore & Member {
  const { source } = replica;
  const channel = `website:${websiteId}`;
  const { identity } = source;

  let filter: InboxFilter = Object.freeze({});
  let rows = newRows();
  /** The filter of the rows, which stay until those of a new filter are there; undefined before the first page. */
  let rowsFilter: InboxFilter | undefined;
  let cursor: string | null = null;
  let isActive = false;
  /** The head of the subscription: an event up to there is replayed. */
  let head = 0;
  /** Who types where, in conversations that are not loaded too. */
  const typing = new Map<string, readonly Typist[]>();

  const cell = source.createStore<InboxSnapshot>(make, begin);
  const loader = createLoader<ServerMessages>(source, cell.changed);

  function make(): InboxSnapshot {
    const isLoading = loader.running(FIRST) !== undefined;
    return {
      websiteId,
      subscription: source.subscriptionState(channel),
      filter,
      conversations: rows.list(),
      isLoading: isLoading || (!rowsFilter && !loader.error),
      isLoadingMore: loader.running(FURTHER) !== undefined,
      hasMore: cursor !== null,
      error: loader.error,
      unreadCount: rows.unreadCount,
    };
  }

  function newRows() {
    const ofThese = filter;
    return createRows((row) => isListed(row, ofThese, identity()), HIDDEN_MAX);
  }

  function begin(): () => void {
    isActive = true;
    const leave = replica.join(channel, store);
    load();
    return () => {
      isActive = false;
      loader.abort();
      leave();
      cell.changed();
    };
  }

  function pathOf(limit: number, after: string | null): string {
    const query = new URLSearchParams({ ...filter, limit: `${limit}`, ...(after !== null && { cursor: after }) });
    return `/v1/websites/${encodeURIComponent(websiteId)}/conversations?${query}`;
  }

  /** Loads what is shown anew: as many rows, in place of those that are there. */
  function load(): void {
    if (!isActive || !identity()) return;
    loader.abort();
    const wanted = isEqual(filter, rowsFilter) ? Math.min(RELOAD_MAX, rows.list().length) : 0;
    void loader.run<Page>(
      FIRST,
      async (request) => {
        const conversations: ConversationItem[] = [];
        for (let nextCursor: string | null = null; ; ) {
          const limit = Math.min(MAX_PAGE, Math.max(INBOX_PAGE, wanted - conversations.length));
          const page: Page = await request<Page>(pathOf(limit, nextCursor));
          conversations.push(...page.conversations);
          nextCursor = page.nextCursor;
          if (nextCursor === null || conversations.length >= wanted) return { conversations, nextCursor };
        }
      },
      (page, events) => {
        const old = rows;
        rows = newRows();
        rowsFilter = filter;
        take(page, events, old.get);
      },
    );
  }

  /** Puts the rows of a page in, and to them what happened since it was asked for. */
  function take(page: Page, events: readonly ServerMessages[], known: (id: string) => InboxConversation | undefined): void {
    cursor = page.nextCursor;
    for (const item of page.conversations) {
      const row = toRow(item);
      const old = known(row.conversationId);
      if (!rows.get(row.conversationId)) rows.set(old && isEqual(old, row) ? old : row);
    }
    events.forEach(apply);
  }

  function toRow(item: ConversationItem): InboxConversation {
    return rowOf(item, identity(), typing.get(item.conversationId) ?? NOBODY);
  }

  function apply(event: ServerMessages): void {
    if (event.type === "visitor_online" || event.type === "visitor_offline" || event.type === "visitor_identified") {
      const theirs = [event.visitorId, "previousVisitorId" in event ? event.previousVisitorId : undefined];
      for (const row of rows.all()) if (theirs.includes(row.visitorId)) change(row, event);
    } else if ("conversationId" in event) {
      const row = rows.get(event.conversationId);
      if (row) change(row, event);
      // What a search finds only the server knows, and only what is durable is activity.
      else if ("seq" in event && !rowsFilter?.search) fetch(event.conversationId);
    }
  }

  function change(row: InboxConversation, event: ServerMessages): void {
    const next = reduceRow(row, event, identity(), new Date(replica.serverNow()).toISOString());
    if (next) rows.set(next);
    else fetch(row.conversationId);
  }

  /** Asks for one conversation: it may have become one of the list, or only the server knows what became of it. */
  function fetch(id: string): void {
    if (!isActive || !rowsFilter || loader.running(id)) return;
    if (loader.count() > FETCH_MAX) return load();
    void loader.run<ConversationItem>(
      id,
      (request) => request(`/v1/conversations/${encodeURIComponent(id)}`),
      (item, events) => {
        rows.set(toRow(item));
        events.forEach(apply);
      },
      // It is not there, or no longer for this client.
      () => rows.delete(id),
    );
  }

  function setTyping(id: string, typists: readonly Typist[]): void {
    if (typists.length > 0) typing.set(id, typists);
    else typing.delete(id);
    const row = rows.get(id);
    if (row) rows.set(changedRow(row, { typing: typists }));
  }

  const store: InboxStore & Member = {
    ...cell,
    loadMore() {
      // A load that waits after a failure is tried again now.
      if (loader.error && (!rowsFilter || loader.running(FIRST))) load();
      const running = loader.running(FIRST) ?? (loader.error ? undefined : loader.running(FURTHER));
      if (running || !isActive || cursor === null) return running ?? Promise.resolve();
      const path = pathOf(INBOX_PAGE, cursor);
      return loader.run<Page>(
        FURTHER,
        (request) => request(path),
        (page, events) => take(page, events, rows.get),
      );
    },
    setFilter(next) {
      if (isEqual(next, filter)) return;
      filter = Object.freeze({ ...next });
      if (rowsFilter || loader.running(FIRST)) load();
      cell.changed();
    },
    receive(event) {
      if (!isActive) return;
      loader.remember(event);
      apply(event);
      const isReplayed = "offset" in event && event.offset !== undefined && event.offset <= head;
      const single = "conversationId" in event ? [event.conversationId] : [];
      const ids = event.type === "visitor_identified" ? (event.conversationIds ?? []) : single;
      if (!isReplayed) for (const id of ids) setTyping(id, reduceTyping(typing.get(id) ?? NOBODY, event));
      cell.changed();
    },
    connected() {
      // Whatever a load is waiting for, now is a better moment. What was loaded is loaded anew once it is subscribed to.
      if (!rowsFilter || loader.running(FIRST)) load();
    },
    confirmed(told) {
      head = told.head;
      const now = new Map<string, Typist[]>();
      for (const { conversationId = "", ...typist } of told.typing ?? []) {
        now.set(conversationId, [...(now.get(conversationId) ?? []), Object.freeze(typist)]);
      }
      for (const id of new Set([...typing.keys(), ...now.keys()])) setTyping(id, Object.freeze(now.get(id) ?? []));
      const online = new Set(Array.isArray(told.online) ? told.online.map(({ visitorId }) => visitorId) : []);
      for (const row of rows.all()) {
        // Of visitors without an open conversation nothing is told here.
        if (row.status !== "closed") rows.set(changedRow(row, { isOnline: online.has(row.visitorId) }));
      }
      // Who has read what, and who became whom, is not replayed.
      load();
    },
    resync: load,
    stop: loader.abort,
  };
  return store;
}
