/** The replica of one conversation: the reducers, fed by events and pages. */

import type { MessageContent, MessageUpdated, NewMessage, ServerMessages } from "@cossistant/protocol/types";

import type { RequestError, SendError } from "../errors.js";
import { createCell } from "./cell.js";
import { startLoad, remember, type Load } from "./loading.js";
import type { Member, Replica } from "./replica.js";
import { UNKNOWN_STATE } from "./state.js";
import * as timelines from "./timeline.js";
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
const SPENT_ID = new Set(["conflict", "invalid_message", "duplicate_id"]);

/** Makes the replica of a conversation. Prefer `replica.conversation(id)`, which gives the one that is there. */
export function createConversationStore(replica: Replica, conversationId: string): ConversationStore & Member {
  const { source, outbox } = replica;
  const channel = `conversation:${conversationId}`;
  const path = `/v1/conversations/${encodeURIComponent(conversationId)}`;
  const show = (message: NewMessage) => timelines.shown(message, source.identity(), outbox.keyOf);

  let timeline = timelines.EMPTY_TIMELINE;
  let limit = MAX_MESSAGES;
  let list: readonly ConversationMessage[] = timeline.messages;
  let newest: Load<MessageEvent> | undefined;
  let older: (Load<MessageEvent> & { readonly end: Promise<void>; finish(): void }) | undefined;
  let error: RequestError | undefined;
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

  function make(): ConversationSnapshot {
    const { head: _, ...state } = replica.state(conversationId) ?? UNKNOWN_STATE;
    const next = [...timeline.messages, ...outbox.of(conversationId).map(({ shown }) => shown)];
    const isChanged = next.length !== list.length || next.some((message, i) => message !== list[i]);
    if (isChanged) list = Object.freeze(next);
    return {
      ...state,
      conversationId,
      subscription: source.subscriptionState(channel),
      isLoading: newest !== undefined || (!hasPage && !error),
      error,
      messages: list,
      hasMore: timeline.hasMore,
      isLoadingMore: older !== undefined,
      unreadCount: countUnread(),
    };
  }

  function countUnread(): number {
    const read = Math.max(mark, ownMark());
    let count = 0;
    for (let at = timeline.messages.length - 1; at >= 0; at -= 1) {
      const message = timeline.messages[at];
      if (!message || message.seq <= read) break;
      if (!message.isOwn && !message.isDeleted) count += 1;
    }
    return count;
  }

  function ownMark(): number {
    const self = source.identity();
    const seen = replica.state(conversationId)?.seen ?? [];
    const own = seen.find(({ userId, userType }) => timelines.isOwn(self, { senderId: userId, senderType: userType }));
    return own?.lastSeenSeq ?? 0;
  }

  function begin(): () => void {
    isActive = true;
    const leave = replica.join(channel, store);
    const release = source.hold(channel);
    loadUnlessCurrent();
    return () => {
      isActive = false;
      if (isViewing) setViewing(false);
      newest?.abort();
      older?.finish();
      newest = undefined;
      // What happens from now on is not seen; until somebody comes back the newest page is kept, to be shown at once.
      isCurrent = false;
      pageHead = 0;
      timeline = timelines.trimmed(timeline, PAGE);
      limit = MAX_MESSAGES;
      release();
      leave();
      cell.changed();
    };
  }

  /** Loads if need be. Before it is known who one is, nothing could be shown rightly, and a visitor has no token. */
  function loadUnlessCurrent(): void {
    if (isActive && !isCurrent && !newest && source.identity()) load();
  }

  function load(): void {
    newest?.abort();
    older?.finish();
    isCurrent = false;
    const wasConfirmed = replica.confirmedHead(channel) !== undefined;
    const size = Math.min(MAX_PAGE, Math.max(PAGE, timeline.messages.length));
    newest = startLoad<timelines.MessagePage, MessageEvent>(
      source,
      (request) => request(`${path}/messages?limit=${size}`),
      {
        done(answer, events) {
          newest = undefined;
          error = undefined;
          take(answer, events, wasConfirmed);
        },
        failed(failure, isFinal) {
          if (isFinal) newest = undefined;
          // A visitor's conversation begins with the first message or subscription.
          const isUnborn = failure.status === 404 && source.identity()?.userType === "visitor";
          if (isUnborn) return take({ messages: [], hasMore: false }, [], wasConfirmed);
          error = failure;
          cell.changed();
        },
      },
    );
    cell.changed();
  }

  function take(answer: timelines.MessagePage, events: readonly MessageEvent[], wasConfirmed: boolean): void {
    timeline = timelines.withNewestPage(timeline, answer, show);
    answer.messages.forEach(outbox.settle);
    hasPage = true;
    isCurrent = wasConfirmed;
    pageHead = answer.messages.at(-1)?.seq ?? 0;
    events.forEach(apply);
    settlePage();
    cell.changed();
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
    timeline =
      event.type === "new_message"
        ? timelines.withMessage(timeline, show(event), limit)
        : timelines.withUpdate(timeline, event);
  }

  function happened(event: MessageEvent): void {
    remember([newest, older], event);
    apply(event);
  }

  function loadMore(): Promise<void> {
    const first = timeline.messages[0];
    if (older) return older.end;
    if (!isActive || !timeline.hasMore || !first) return Promise.resolve();
    let resolve = (): void => undefined;
    const end = new Promise<void>((done) => (resolve = done));
    const loading = startLoad<timelines.MessagePage, MessageEvent>(
      source,
      (request) => request(`${path}/messages?before=${first.seq}&limit=${PAGE}`),
      {
        done(answer, events) {
          timeline = timelines.withOlderPage(timeline, answer, show);
          limit = Math.max(limit, timeline.messages.length + PAGE);
          events.forEach(apply);
          error = undefined;
          finish();
        },
        failed(failure, isFinal) {
          error = failure;
          if (isFinal) finish();
          cell.changed();
        },
      },
    );
    const finish = (): void => {
      loading.abort();
      older = undefined;
      resolve();
      cell.changed();
    };
    older = { ...loading, end, finish };
    cell.changed();
    return end;
  }

  function post(message: OutgoingMessage) {
    outbox.set(message, "queued");
    cell.changed();
    const { id, content, metadata, visibility } = message;
    const options = { id, ...(metadata && { metadata }), ...(visibility && { visibility }) };
    const answer = source.send(conversationId, content, options);
    // Those who ignore the answer see the failure in the list. A refusal that was not told otherwise is kept here.
    answer.catch((failure: SendError) => {
      const entry = outbox.of(conversationId).find((other) => other.message.id === id);
      if (entry && entry.delivery !== "failed" && failure.code !== "duplicate_id") outbox.set(message, "failed", failure);
      cell.changed();
    });
    return answer;
  }

  function failedBy(key: string) {
    return outbox.of(conversationId).find(({ shown, delivery }) => shown.key === key && delivery === "failed");
  }

  function setViewing(next: boolean): void {
    isViewing = next;
    source.pass({ type: next ? "viewing_start" : "viewing_stop", conversationId });
  }

  const store: ConversationStore & Member = {
    subscribe: cell.subscribe,
    getSnapshot: cell.getSnapshot,
    loadMore,
    setViewing,
    send(content, options = {}) {
      const text: MessageContent = typeof content === "string" ? { text: content } : content;
      const { id = source.createId(), metadata, visibility } = options;
      const message = { id, conversationId, content: text, queuedAt: source.now(), metadata, visibility };
      return post(message);
    },
    retry(key) {
      const entry = failedBy(key);
      if (!entry) return;
      const { message } = entry;
      const isSpent = SPENT_ID.has(entry.error?.code ?? "");
      const id = isSpent ? source.createId() : message.id;
      outbox.delete(message.id);
      if (isSpent) outbox.rename(message.id, id);
      void post({ ...message, id, queuedAt: source.now() });
    },
    discard(key) {
      const entry = failedBy(key);
      if (entry) outbox.delete(entry.message.id);
      cell.changed();
    },
    setTyping(text) {
      source.typing(conversationId, text);
      if (text === "") source.stopTyping(conversationId);
    },
    stopTyping: () => source.stopTyping(conversationId),
    markSeen(seq = timeline.messages.at(-1)?.seq ?? 0) {
      if (seq <= Math.max(mark, ownMark())) return;
      mark = seq;
      source.pass({ type: "mark_seen", conversationId, seq });
      cell.changed();
    },
    async edit(messageId, content) {
      const answer = await source.request<NewMessage>("PATCH", `${path}/messages/${messageId}`, { content });
      happened(answer);
      cell.changed();
    },
    remove: (messageId) => source.request("DELETE", `${path}/messages/${messageId}`),
    update: async (changes) => void (await source.request("PATCH", path, changes)),

    receive(event: ServerMessages) {
      if (event.type === "new_message" || event.type === "message_updated") happened(event);
      if (event.type === "visitor_identified") timeline = timelines.withVisitor(timeline, event.visitorId);
      cell.changed();
    },
    refresh: cell.changed,
    connected() {
      // Whatever a load is waiting for, now is a better moment.
      newest?.abort();
      newest = undefined;
      loadUnlessCurrent();
    },
    confirmed() {
      mark = Math.min(mark, replica.confirmedHead(channel) ?? 0);
      if (isViewing) source.pass({ type: "viewing_start", conversationId });
      if (mark > ownMark()) source.pass({ type: "mark_seen", conversationId, seq: mark });
      settlePage();
    },
    resync() {
      if (isActive) load();
    },
    stop() {
      newest?.abort();
      older?.finish();
    },
  };
  return store;
}
