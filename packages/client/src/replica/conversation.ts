/** The replica of one conversation: the reducers, fed by events and pages. */

import type { MessageContent, MessageUpdated, NewMessage } from "@cossistant/protocol/types";

import type { SendError } from "../errors.js";
import { createCell } from "./cell.js";
import { createLoader, FIRST, FURTHER } from "./loading.js";
import type { Unsent } from "./outbox.js";
import type { Member, Replica } from "./replica.js";
import { UNKNOWN_STATE } from "./state.js";
import {
  isSelf,
  shown,
  trimmed,
  withMessage,
  withNewestPage,
  withOlderPage,
  withUpdate,
  withVisitor,
  type MessagePage,
  type Timeline,
} from "./timeline.js";
import type { ConversationMessage, ConversationSnapshot, ConversationStore, OutgoingMessage } from "./types.js";

/** How many messages a page has, unless more were shown. */
export const PAGE = 50;
/** The largest page that the server gives. */
export const MAX_PAGE = 200;
/**
 * How many stored messages are kept while new ones come. Older ones go, and can be loaded again; whoever loads older
 * ones raises it by as many.
 */
export const MAX_MESSAGES = 500;

type MessageEvent = NewMessage | MessageUpdated;

/** Codes after which the same id would be refused again. */
const SPENT_ID = ["conflict", "invalid_message", "duplicate_id"];

/** Makes the replica of a conversation. Prefer `replica.conversation(id)`, which gives the one that is there. */
export function createConversationStore(replica: Replica, conversationId: string): ConversationStore & Member {
  const { source, outbox } = replica;
  const channel = `conversation:${conversationId}`;
  const path = `/v1/conversations/${encodeURIComponent(conversationId)}`;

  let timeline: Timeline = { messages: [], hasMore: false };
  let limit = MAX_MESSAGES;
  let messages: readonly ConversationMessage[] = [];
  /** Whether there is a page to show, and whether all events since it have come or will come. */
  let hasPage = false;
  let isCurrent = false;
  /** A place up to which a page that may not be current lacks nothing. */
  let pageHead = 0;
  let isActive = false;
  let isViewing = false;
  /** How far one has read, told to the server or not. */
  let mark = 0;

  const cell = createCell<ConversationSnapshot>(make, begin);
  const loader = createLoader<MessageEvent>(source, cell.changed);
  const show = (message: NewMessage) => shown(message, source.identity(), outbox.keyOf, replica.state(channel)?.visitorId);
  const newestSeq = (): number => timeline.messages.at(-1)?.seq ?? 0;

  function make(): ConversationSnapshot {
    const { head: _, ...state } = replica.state(channel) ?? UNKNOWN_STATE;
    const next = [...timeline.messages, ...outbox.of(conversationId).map((unsent) => unsent.shown)];
    const isSame = next.length === messages.length && next.every((message, i) => message === messages[i]);
    if (!isSame) messages = Object.freeze(next);
    const read = Math.max(mark, ownMark());
    const isUnread = ({ seq = 0, isOwn, isDeleted }: ConversationMessage): boolean => seq > read && !isOwn && !isDeleted;
    return {
      ...state,
      conversationId,
      subscription: source.subscriptionState(channel),
      isLoading: loader.running(FIRST) !== undefined || (!hasPage && !loader.error),
      error: loader.error,
      messages,
      hasMore: timeline.hasMore,
      isLoadingMore: loader.running(FURTHER) !== undefined,
      unreadCount: messages.filter(isUnread).length,
    };
  }

  function ownMark(): number {
    const { seen } = replica.state(channel) ?? UNKNOWN_STATE;
    return seen.find(({ userId, userType }) => isSelf(source.identity(), userType, userId))?.lastSeenSeq ?? 0;
  }

  function begin(): () => void {
    isActive = true;
    const leave = replica.join(channel, store);
    loadUnlessCurrent();
    return () => {
      if (isViewing) store.setViewing(false);
      loader.abort();
      // What happens from now on is not seen; until somebody comes back the newest page is kept, to be shown at once.
      isActive = isCurrent = false;
      pageHead = 0;
      timeline = trimmed(timeline, PAGE);
      limit = MAX_MESSAGES;
      leave();
      cell.changed();
    };
  }

  /** Loads if need be. Before it is known who one is, nothing could be shown rightly, and a visitor has no token. */
  function loadUnlessCurrent(): void {
    if (isActive && !isCurrent && !loader.running(FIRST) && source.identity()) load();
  }

  function load(): void {
    if (!isActive) return;
    isCurrent = false;
    const wasConfirmed = replica.confirmedHead(channel) !== undefined;
    const size = Math.min(MAX_PAGE, Math.max(PAGE, timeline.messages.length));
    loader.abort();
    void loader.run<MessagePage>(
      FIRST,
      (request) =>
        request<MessagePage>(`${path}/messages?limit=${size}`).catch((failure) => {
          // A visitor's conversation begins with the first message or subscription.
          if (failure.status !== 404 || source.identity()?.userType !== "visitor") throw failure;
          return { messages: [], hasMore: false };
        }),
      (page, events) => {
        timeline = withNewestPage(timeline, page, show);
        page.messages.forEach(outbox.settle);
        hasPage = true;
        isCurrent = wasConfirmed;
        pageHead = newestSeq();
        events.forEach(apply);
        settlePage();
      },
    );
  }

  /**
   * A page from before the subscription may lack what happened between the two. It lacks nothing if it has the event at
   * the head of the subscription; else it is loaded once more.
   */
  function settlePage(): void {
    const head = replica.confirmedHead(channel);
    if (head === undefined) return;
    if (hasPage && pageHead >= head) isCurrent = true;
    loadUnlessCurrent();
  }

  function apply(event: MessageEvent): void {
    const next = event.type === "new_message" ? withMessage(timeline, show(event)) : withUpdate(timeline, event);
    timeline = trimmed(next, limit);
  }

  function failedBy(key: string): Unsent | undefined {
    return outbox.of(conversationId).find(({ shown }) => shown.key === key && shown.delivery === "failed");
  }

  function post(message: OutgoingMessage) {
    outbox.set(message, "queued");
    cell.changed();
    const answer = source.send(conversationId, message.content, message);
    // Who ignores the answer sees the failure in the list.
    answer.catch((failure: SendError) => {
      const entry = outbox.of(conversationId).find((unsent) => unsent.message.id === message.id);
      if (entry && failure.code !== "duplicate_id") outbox.set(message, "failed", failure);
      cell.changed();
    });
    return answer;
  }

  const store: ConversationStore & Member = {
    ...cell,
    loadMore() {
      const [oldest] = timeline.messages;
      const running = loader.running(FURTHER) ?? loader.running(FIRST);
      if (running || !isActive || !timeline.hasMore || !oldest) return running ?? Promise.resolve();
      return loader.run<MessagePage>(
        FURTHER,
        (request) => request(`${path}/messages?before=${oldest.seq}&limit=${PAGE}`),
        (page, events) => {
          timeline = withOlderPage(timeline, page, show);
          limit = Math.max(limit, timeline.messages.length + PAGE);
          events.forEach(apply);
        },
      );
    },
    send(content, { id = source.createId(), metadata, visibility } = {}) {
      const said: MessageContent = typeof content === "string" ? { text: content } : content;
      return post({
        id,
        conversationId,
        content: said,
        queuedAt: source.now(),
        ...(metadata && { metadata }),
        ...(visibility && { visibility }),
      });
    },
    retry(key) {
      const failed = failedBy(key);
      if (!failed) return;
      const { id } = failed.message;
      const isSpent = SPENT_ID.includes(failed.shown.error?.code ?? "");
      const nextId = isSpent ? source.createId() : id;
      outbox.delete(id);
      if (isSpent) outbox.rename(id, nextId);
      void post({ ...failed.message, id: nextId, queuedAt: source.now() });
    },
    discard(key) {
      const failed = failedBy(key);
      if (failed) outbox.delete(failed.message.id);
      cell.changed();
    },
    setTyping(text) {
      source.typing(conversationId, text);
      if (!text) source.stopTyping(conversationId);
    },
    stopTyping: () => source.stopTyping(conversationId),
    markSeen(seq = newestSeq()) {
      if (seq <= Math.max(mark, ownMark())) return;
      mark = seq;
      source.pass({ type: "mark_seen", conversationId, seq });
      cell.changed();
    },
    setViewing(next) {
      isViewing = next;
      source.pass({ type: next ? "viewing_start" : "viewing_stop", conversationId });
    },
    async edit(messageId, content) {
      store.receive(await source.request<NewMessage>("PATCH", `${path}/messages/${messageId}`, { content }));
    },
    remove: (messageId) => source.request("DELETE", `${path}/messages/${messageId}`),
    update: async (changes) => void (await source.request("PATCH", path, changes)),

    receive(event) {
      if (event.type === "new_message" || event.type === "message_updated") {
        loader.remember(event);
        apply(event);
      }
      if (event.type === "visitor_identified") timeline = withVisitor(timeline, event.visitorId);
      cell.changed();
    },
    subscriptionChanged: cell.changed,
    connected() {
      // Whatever a load is waiting for, now is a better moment.
      loader.abort(FIRST);
      loadUnlessCurrent();
    },
    confirmed(told) {
      mark = Math.min(mark, told.head);
      if (isViewing) store.setViewing(true);
      if (mark > ownMark()) source.pass({ type: "mark_seen", conversationId, seq: mark });
      timeline = withVisitor(timeline, told.visitorId ?? "");
      settlePage();
      cell.changed();
    },
    resync: load,
    stop: loader.abort,
  };
  return store;
}
