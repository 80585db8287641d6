/** The replica of one conversation: the reducers, fed by events and pages. */

import type { NewMessage } from "@cossistant/protocol/types";

import { NOBODY, UNKNOWN_STATE } from "./empty.js";
import { createLoader, FIRST, FURTHER } from "./loading.js";
import type { Unsent } from "./outbox.js";
import type { Member, Replica } from "./replica.js";
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
import type { ConversationMessage, ConversationSnapshot, ConversationStore } from "./types.js";

/** How many messages a page has, unless more were shown. */
export const PAGE = 50;
/** The largest page that the server gives. */
export const MAX_PAGE = 200;
/**
 * How many stored messages are kept while new ones come. Older ones go, and can be loaded again; whoever loads older
 * ones raises it by as many.
 */
export const MAX_MESSAGES = 500;

/** What an event, or an ack, does to the messages. */
type Change = (timeline: Timeline) => Timeline;

/** Codes after which the same id would be refused again. */
const SPENT_ID = ["conflict", "invalid_message", "duplicate_id"];

/** A conversation's store, and how the replica feeds it. */
export interface ConversationReplica extends Member {
  /** What applications get. */
  readonly store: ConversationStore;
  /** Changes the messages: those that are shown, and those that are being loaded. */
  change(change: Change): void;
}

/** Makes the replica of a conversation. Prefer `replica.conversation(id)`, which gives the one that is there. */
export function createConversation(replica: Replica, conversationId: string): ConversationReplica {
  const { source, outbox } = replica;
  const channel = `conversation:${conversationId}`;
  const path = `/v1/conversations/${encodeURIComponent(conversationId)}`;

  let timeline: Timeline = { messages: NOBODY, hasMore: false };
  let limit = MAX_MESSAGES;
  let messages: readonly ConversationMessage[] = NOBODY;
  let hasPage = false;
  /** Whether the page was asked for under the subscription that stands, so that it and the events lack nothing. */
  let isCurrent = false;
  /** Up to which place any page that was asked for sooner lacks nothing. */
  let pageHead = -1;
  let isActive = false;
  let isViewing = false;
  /** How far one has read, told to the server or not. */
  let mark = 0;

  const cell = source.createStore<ConversationSnapshot>(make, begin);
  const loader = createLoader<Change>(source, cell.changed);
  const show = (message: NewMessage) => shown(message, source.identity(), outbox.keyOf, replica.state(channel)?.visitorId);
  const newestSeq = (): number => timeline.messages.at(-1)?.seq ?? 0;

  function make(): ConversationSnapshot {
    const known = replica.state(channel);
    const { head: _, ...state } = known ?? UNKNOWN_STATE;
    const next = [...timeline.messages, ...outbox.of(conversationId).map((unsent) => unsent.shown)];
    const isSame = next.length === messages.length && next.every((message, i) => message === messages[i]);
    if (!isSame) messages = Object.freeze(next);
    // Before it is known how far one has read, nothing is called unread.
    const read = known ? Math.max(mark, ownMark()) : Infinity;
    const subscription = source.subscriptionState(channel);
    const isUnread = ({ seq = 0, isOwn, isDeleted }: ConversationMessage): boolean => seq > read && !isOwn && !isDeleted;
    return {
      ...state,
      conversationId,
      subscription,
      isLoading: loader.running(FIRST) !== undefined || (!hasPage && !loader.error && subscription?.type !== "refused"),
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
    const leave = replica.join(channel, member);
    load();
    return () => {
      if (isViewing) store.setViewing(false);
      loader.abort();
      // What happens from now on is not seen; until somebody comes back the newest page is kept, to be shown at once.
      isActive = false;
      timeline = trimmed(timeline, PAGE);
      limit = MAX_MESSAGES;
      leave();
      cell.changed();
    };
  }

  /** Loads the newest page. Before it is known who one is, nothing can be shown rightly, and a visitor has no token. */
  function load(): void {
    const identity = source.identity();
    if (!isActive || !identity) return;
    isCurrent = replica.confirmedHead(channel) !== undefined;
    pageHead = -1;
    loader.abort();
    // A visitor's conversation may begin with this subscription, so until it is confirmed there may be nothing to ask for.
    if (identity.userType === "visitor" && !isCurrent) return cell.changed();
    const size = Math.min(MAX_PAGE, Math.max(PAGE, timeline.messages.length));
    void loader.run<MessagePage>(
      FIRST,
      (request) => request(`${path}/messages?limit=${size}`),
      (page, changes) => {
        timeline = withNewestPage(timeline, page, show);
        page.messages.forEach(outbox.settle);
        hasPage = true;
        // A conversation begins with its creation, which is no message.
        pageHead = newestSeq() || 1;
        changes.forEach(apply);
      },
      () => (isCurrent = false),
    );
  }

  function apply(change: Change): void {
    timeline = trimmed(change(timeline), limit);
  }

  function failedBy(key: string): Unsent | undefined {
    return outbox.of(conversationId).find(({ shown }) => shown.key === key && shown.delivery === "failed");
  }

  const store: ConversationStore = {
    subscribe: cell.subscribe,
    getSnapshot: cell.getSnapshot,
    // What becomes of a message is told by the deliveries.
    send: (content, options = {}) => source.send(conversationId, content, options),
    setTyping: (text) => source.typing(conversationId, text),
    stopTyping: () => source.stopTyping(conversationId),
    loadMore() {
      const [oldest] = timeline.messages;
      // A load that waits after a failure is tried again now.
      if (loader.error && (!hasPage || loader.running(FIRST))) load();
      const running = loader.running(FIRST) ?? (loader.error ? undefined : loader.running(FURTHER));
      if (running || !isActive || !timeline.hasMore || !oldest) return running ?? Promise.resolve();
      return loader.run<MessagePage>(
        FURTHER,
        (request) => request(`${path}/messages?before=${oldest.seq}&limit=${PAGE}`),
        (page, changes) => {
          timeline = withOlderPage(timeline, page, show);
          limit = Math.max(limit, timeline.messages.length + PAGE);
          changes.forEach(apply);
        },
      );
    },
    retry(key) {
      const failed = failedBy(key);
      if (!failed) return;
      const { id } = failed.message;
      const isSpent = SPENT_ID.includes(failed.shown.error?.code ?? "");
      const nextId = isSpent ? source.createId() : id;
      outbox.take(id);
      if (isSpent) outbox.rename(id, nextId);
      void store.send(failed.message.content, { ...failed.message, id: nextId });
    },
    discard(key) {
      const failed = failedBy(key);
      if (failed) outbox.take(failed.message.id);
      cell.changed();
    },
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
      member.receive(await source.request<NewMessage>("PATCH", `${path}/messages/${messageId}`, { content }));
    },
    remove: (messageId) => source.request("DELETE", `${path}/messages/${messageId}`),
    update: (changes) => source.request("PATCH", path, changes),
  };

  const member: ConversationReplica = {
    store,
    changed: cell.changed,
    change(change) {
      loader.remember(change);
      apply(change);
      cell.changed();
    },
    receive(event) {
      if (event.type === "new_message") member.change((messages) => withMessage(messages, show(event)));
      if (event.type === "message_updated") member.change((messages) => withUpdate(messages, event));
      if (event.type === "visitor_identified") member.change((messages) => withVisitor(messages, event.visitorId));
      cell.changed();
    },
    connected() {
      // Whatever a load is waiting for, now is a better moment.
      if (!isCurrent || loader.running(FIRST)) load();
    },
    confirmed(told) {
      mark = Math.min(mark, told.head);
      if (isViewing) store.setViewing(true);
      if (mark > ownMark()) source.pass({ type: "mark_seen", conversationId, seq: mark });
      timeline = withVisitor(timeline, told.visitorId ?? "");
      // A page from before may lack what happened until now, unless it has the event at the head.
      isCurrent ||= pageHead >= told.head;
      if (!isCurrent) load();
      cell.changed();
    },
    resync: load,
    stop: loader.abort,
  };
  return member;
}
