/** The replica of a website's conversations: rows, fed by events and pages. */

import type { ServerMessages } from "@cossistant/protocol/types";

import type { RequestError } from "../errors.js";
import { createCell } from "./cell.js";
import { remember, startLoad, type Load } from "./loading.js";
import { isEqual, reduceTyping } from "./people.js";
import type { Member, Replica } from "./replica.js";
import { changed, createRows, isListed, reduceRow, rowOf, type ConversationItem, type Rows } from "./rows.js";
import type { InboxConversation, InboxFilter, InboxSnapshot, InboxStore, Typist } from "./types.js";

/** How many conversations a page has. */
export const INBOX_PAGE = 50;
/** How many conversations are loaded anew at the most when all that is shown has to be. */
export const RELOAD_MAX = 1_000;
/** How many conversations are asked for one by one at the most; if there are more, the list is loaded anew. */
export const FETCH_MAX = 20;
/** Of how many conversations that are not listed it is remembered why, so that not every event asks again. */
export const UNLISTED_MAX = 10_000;
/** The largest page that the server gives. */
const MAX_PAGE = 200;

const NOBODY: readonly never[] = Object.freeze([]);

interface Page {
  readonly conversations: readonly ConversationItem[];
  readonly nextCursor: string | null;
}

/** Makes the replica of a website's conversations. Prefer `replica.inbox(id)`, which gives the one that is there. */
export function createInboxStore(replica: Replica, websiteId: string): InboxStore & Member {
  const { source } = replica;
  const channel = `website:${websiteId}`;

  let filter: InboxFilter = Object.freeze({});
  /** The filter of the rows, which stay until those of a new filter are there. */
  let rowsFilter = filter;
  let rows: Rows = createRows();
  let list: readonly InboxConversation[] = NOBODY;
  let isListStale = false;
  let cursor: string | null = null;
  let first: Load<ServerMessages> | undefined;
  let further: (Load<ServerMessages> & { readonly end: Promise<void>; finish(): void }) | undefined;
  let error: RequestError | undefined;
  let hasPage = false;
  /** Whether all events since the rows were loaded have come or will come. */
  let isCurrent = false;
  let isActive = false;
  /** The head of the subscription: an event up to there is replayed. */
  let head = 0;
  /** Who types where, in conversations that are not loaded too. */
  let typing = new Map<string, readonly Typist[]>();
  const fetches = new Map<string, Load<ServerMessages>>();
  const unlisted = new Map<string, Pick<InboxConversation, "status" | "assignedTeamMemberId">>();

  const cell = createCell<InboxSnapshot>(make, begin);

  function make(): InboxSnapshot {
    if (isListStale) list = rows.list();
    isListStale = false;
    return {
      websiteId,
      subscription: source.subscriptionState(channel),
      filter,
      conversations: list,
      isLoading: first !== undefined || (!hasPage && !error),
      isLoadingMore: further !== undefined,
      hasMore: cursor !== null,
      error,
      unreadCount: rows.unreadCount,
    };
  }

  function begin(): () => void {
    isActive = true;
    const leave = replica.join(channel, store);
    const release = source.hold(channel);
    if (replica.confirmedHead(channel) !== undefined) load();
    return () => {
      isActive = false;
      isCurrent = false;
      stop();
      release();
      leave();
      cell.changed();
    };
  }

  function stop(): void {
    first?.abort();
    first = undefined;
    further?.finish();
    for (const fetch of fetches.values()) fetch.abort();
    fetches.clear();
  }

  function pathOf(limit: number, after: string | null): string {
    const query = new URLSearchParams({ limit: `${limit}` });
    for (const [name, value] of Object.entries(filter)) if (value) query.set(name, value);
    if (after !== null) query.set("cursor", after);
    return `/v1/websites/${encodeURIComponent(websiteId)}/conversations?${query}`;
  }

  /** Loads what is shown anew: as many rows, in place of those that are there. */
  function load(): void {
    stop();
    unlisted.clear();
    isCurrent = replica.confirmedHead(channel) !== undefined;
    const wanted = isEqual(filter, rowsFilter) ? Math.min(RELOAD_MAX, rows.size) : 0;
    first = startLoad<Page, ServerMessages>(
      source,
      async (request) => {
        const items: ConversationItem[] = [];
        for (let next: string | null = null; ; ) {
          const limit = Math.min(MAX_PAGE, Math.max(INBOX_PAGE, wanted - items.length));
          const page: Page = await request<Page>(pathOf(limit, next));
          items.push(...page.conversations);
          next = page.nextCursor;
          if (next === null || items.length >= wanted) return { conversations: items, nextCursor: next };
        }
      },
      {
        done(page, events) {
          const old = rows;
          rows = createRows();
          rowsFilter = filter;
          first = undefined;
          take(page, events, old);
        },
        failed(failure, isFinal) {
          if (isFinal) first = undefined;
          error = failure;
          cell.changed();
        },
      },
    );
    cell.changed();
  }

  /** Puts the rows of a page in, and to them what happened since it was asked for. */
  function take(page: Page, events: readonly ServerMessages[], old: Rows): void {
    cursor = page.nextCursor;
    error = undefined;
    hasPage = true;
    isListStale = true;
    for (const item of page.conversations) {
      const id = item.conversationId;
      const row = rowOf(item, source.identity(), typing.get(id) ?? NOBODY);
      const known = old.get(id);
      if (!rows.get(id)) rows.set(known && isEqual(known, row) ? known : row);
    }
    events.forEach(apply);
    cell.changed();
  }

  function loadMore(): Promise<void> {
    if (further) return further.end;
    if (!isActive || first || cursor === null) return Promise.resolve();
    let resolve = (): void => undefined;
    const end = new Promise<void>((done) => (resolve = done));
    const path = pathOf(INBOX_PAGE, cursor);
    const loading = startLoad<Page, ServerMessages>(source, (request) => request(path), {
      done(page, events) {
        take(page, events, rows);
        finish();
      },
      failed(failure, isFinal) {
        error = failure;
        if (isFinal) finish();
        cell.changed();
      },
    });
    const finish = (): void => {
      loading.abort();
      further = undefined;
      resolve();
      cell.changed();
    };
    further = { ...loading, end, finish };
    cell.changed();
    return end;
  }

  function apply(event: ServerMessages): void {
    for (const id of idsOf(event)) {
      const row = rows.get(id);
      if (row) put(id, reduceRow(row, event, source.identity(), new Date(replica.serverNow()).toISOString()));
      else meet(id, event);
    }
  }

  /** Which rows an event is about. Of a visitor's coming and going these are all of the visitor's. */
  function idsOf(event: ServerMessages): readonly string[] {
    if (event.type === "visitor_online" || event.type === "visitor_offline") return rows.of(event.visitorId);
    if (event.type === "visitor_identified") {
      const { previousVisitorId = "", conversationIds = [], visitorId } = event;
      return [...rows.of(previousVisitorId), ...rows.of(visitorId), ...conversationIds];
    }
    return "conversationId" in event ? [event.conversationId] : [];
  }

  function put(id: string, row: InboxConversation | undefined): void {
    if (!row) return fetch(id);
    if (row === rows.get(id)) return;
    isListStale = true;
    if (isListed(row, rowsFilter, source.identity())) return rows.set(row);
    rows.delete(id);
    forget(id, row);
  }

  function forget(id: string, { status, assignedTeamMemberId }: Omit<InboxConversation, "">): void {
    unlisted.set(id, { status, assignedTeamMemberId });
    const [oldest] = unlisted.keys();
    if (unlisted.size > UNLISTED_MAX && oldest !== undefined) unlisted.delete(oldest);
  }

  /** Something happened in a conversation that is not among the rows: it may have become one of them. */
  function meet(id: string, event: ServerMessages): void {
    // What a search finds only the server knows, and typing is no activity.
    if (rowsFilter.search || !("offset" in event || "seq" in event)) return;
    const facts = unlisted.get(id);
    if (!facts) return fetch(id);
    const next = { ...facts };
    if (event.type === "conversation_status_changed") next.status = event.status;
    if (event.type === "conversation_assigned") next.assignedTeamMemberId = event.assignedTeamMemberId;
    unlisted.set(id, next);
    if (isListed(next, rowsFilter, source.identity())) fetch(id);
  }

  /** Asks for one conversation. */
  function fetch(id: string): void {
    if (!isActive || fetches.has(id)) return;
    if (fetches.size >= FETCH_MAX) return load();
    const done = (): void => void fetches.delete(id);
    fetches.set(
      id,
      startLoad<ConversationItem, ServerMessages>(
        source,
        (request) => request(`/v1/conversations/${encodeURIComponent(id)}`),
        {
          done(item, events) {
            done();
            put(id, rowOf(item, source.identity(), typing.get(id) ?? NOBODY));
            events.forEach(apply);
            cell.changed();
          },
          failed(failure, isFinal) {
            if (isFinal) done();
            // It is not there, or no longer for this client.
            if (isFinal && failure.status < 500 && rows.get(id)) {
              rows.delete(id);
              isListStale = true;
            }
            cell.changed();
          },
        },
      ),
    );
  }

  function type(event: ServerMessages): void {
    if (!("conversationId" in event)) return;
    const id = event.conversationId;
    const isReplayed = "offset" in event && event.offset !== undefined && event.offset <= head;
    const now = reduceTyping(typing.get(id) ?? NOBODY, event, !isReplayed);
    setTyping(id, now);
  }

  function setTyping(id: string, now: readonly Typist[]): void {
    if (now.length > 0) typing.set(id, now);
    else typing.delete(id);
    const row = rows.get(id);
    if (row) put(id, changed(row, { typing: now }));
  }

  const store: InboxStore & Member = {
    subscribe: cell.subscribe,
    getSnapshot: cell.getSnapshot,
    loadMore,
    setFilter(next) {
      if (isEqual(next, filter)) return;
      filter = Object.freeze({ ...next });
      if (isActive && (hasPage || first || error)) load();
      cell.changed();
    },
    receive(event) {
      if (!isActive) return;
      remember([first, further], event);
      for (const id of idsOf(event)) remember([fetches.get(id)], event);
      apply(event);
      type(event);
      cell.changed();
    },
    refresh() {
      // Without a subscription there is still a list, or a reason why there is none.
      const state = source.subscriptionState(channel)?.type;
      if (isActive && !hasPage && !first && (state === "refused" || state === "unavailable")) load();
      cell.changed();
    },
    connected() {
      // Whatever a load is waiting for, now is a better moment.
      if (first) load();
    },
    confirmed(told) {
      head = told.head;
      const typists = new Map<string, Typist[]>();
      for (const { conversationId = "", ...person } of told.typing ?? []) {
        typists.set(conversationId, [...(typists.get(conversationId) ?? []), Object.freeze(person)]);
      }
      for (const id of typing.keys()) if (!typists.has(id)) setTyping(id, NOBODY);
      for (const [id, people] of typists) setTyping(id, Object.freeze(people));
      const online = new Set(Array.isArray(told.online) ? told.online.map(({ visitorId }) => visitorId) : []);
      for (const row of list) {
        // Of visitors without an open conversation nothing is told here.
        const isOnline = row.status === "closed" ? row.isOnline : online.has(row.visitorId);
        put(row.conversationId, changed(rows.get(row.conversationId) ?? row, { isOnline }));
      }
      if (isActive && !isCurrent) load();
      cell.changed();
    },
    resync() {
      if (isActive) load();
    },
    stop,
  };
  return store;
}
