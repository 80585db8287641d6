/**
 * The stored messages of a conversation, by rising `seq`: a stretch without holes up to the newest one.
 *
 * Pages and live events meet here in any order. A message is known by its id, its place by its `seq`, and of two
 * versions the one that was updated later stands.
 */

import type { MessageAck, MessageUpdated, NewMessage } from "@cossistant/protocol/types";

import type { Identity } from "../state.js";
import type { ConversationMessage, OutgoingMessage } from "./types.js";

/** A page as it comes over HTTP. */
export interface MessagePage {
  /** By rising `seq`. */
  readonly messages: readonly NewMessage[];
  /** Whether there are more in the direction that was asked for. */
  readonly hasMore: boolean;
}

/** Frozen, as all that is in it. */
export interface Timeline {
  /** By rising `seq`. */
  readonly messages: readonly StoredMessage[];
  /** Whether there are older ones to load. */
  readonly hasMore: boolean;
}

/** A message that has its place. */
export type StoredMessage = ConversationMessage & { readonly seq: number; readonly messageId: string };

/** How a message that is told becomes one that is shown. */
export type Show = (message: NewMessage) => StoredMessage;

/** No messages. */
export const EMPTY_TIMELINE: Timeline = Object.freeze({ messages: Object.freeze([]), hasMore: false });

/** Whether somebody's message is this client's own. A conversation has one visitor only. */
export function isOwn(self: Identity | undefined, sender: Pick<NewMessage, "senderId" | "senderType">): boolean {
  if (self?.userType !== sender.senderType) return false;
  return self.userType === "visitor" || self.userId === sender.senderId;
}

/** A message as it is shown. `keyOf` gives the key under which a message of one's own is shown already. */
export function shown(
  message: NewMessage,
  self: Identity | undefined,
  keyOf: (clientMessageId: string) => string,
): StoredMessage {
  const { messageId, conversationId, content, senderType, senderId, createdAt, visibility, seq } = message;
  const { clientMessageId, senderName, metadata, updatedAt } = message;
  const own = isOwn(self, message);
  return Object.freeze({
    key: own && clientMessageId !== undefined ? keyOf(clientMessageId) : messageId,
    messageId,
    conversationId,
    content: message.deleted ? null : content,
    senderType,
    senderId,
    createdAt,
    visibility,
    seq,
    delivery: "sent",
    isDeleted: message.deleted === true,
    isOwn: own,
    ...(clientMessageId !== undefined && { clientMessageId }),
    ...(senderName !== undefined && { senderName }),
    ...(metadata && { metadata }),
    ...(updatedAt !== undefined && { updatedAt }),
  });
}

/** What the server will tell of a message that it has acknowledged. */
export function acknowledged(message: OutgoingMessage, ack: MessageAck, self: Identity): NewMessage {
  return {
    type: "new_message",
    conversationId: ack.conversationId,
    messageId: ack.messageId,
    content: message.content,
    senderType: self.userType,
    senderId: self.userId,
    createdAt: ack.createdAt,
    websiteId: "",
    organizationId: "",
    visibility: message.visibility ?? "public",
    seq: ack.seq,
    clientMessageId: message.id,
    ...(message.metadata && { metadata: message.metadata }),
  };
}

/**
 * With a message at its place. One that is there already is replaced unless it was updated later. One that is older
 * than what is loaded is left out: it comes with its page.
 */
export function withMessage(timeline: Timeline, message: StoredMessage, limit: number): Timeline {
  const { messages } = timeline;
  let at = messages.length;
  while (at > 0 && (messages[at - 1]?.seq ?? 0) >= message.seq) at -= 1;
  const old = messages[at];
  if (at === 0 && timeline.hasMore && old?.seq !== message.seq) return timeline;
  if (old?.seq === message.seq) return replaced(timeline, at, newer(old, message));
  const next = [...messages.slice(0, at), message, ...messages.slice(at)];
  return trimmed(frozen(next, timeline.hasMore), limit);
}

/** With an edit or a deletion; unchanged if that message is not there, or was updated later. */
export function withUpdate(timeline: Timeline, update: MessageUpdated): Timeline {
  const at = timeline.messages.findIndex((message) => message.messageId === update.messageId);
  const old = timeline.messages[at];
  if (!old || isBefore(update, old)) return timeline;
  const { content, deleted, updatedAt } = update;
  return replaced(timeline, at, Object.freeze({ ...old, content, updatedAt, isDeleted: deleted }));
}

/**
 * The newest page, in place of all that was there: of what is older than the page edits may have been missed, and what
 * is newer comes from the events since it was asked for. Messages that say the same as before keep their identity.
 */
export function withNewestPage(timeline: Timeline, page: MessagePage, show: Show): Timeline {
  const known = new Map(timeline.messages.map((message) => [message.messageId, message]));
  const messages = page.messages.map((message) => newer(known.get(message.messageId), show(message)));
  return frozen(messages, page.hasMore);
}

/** With a page of older messages before those that are there. */
export function withOlderPage(timeline: Timeline, page: MessagePage, show: Show): Timeline {
  const first = timeline.messages[0]?.seq ?? Infinity;
  const older = page.messages.filter((message) => message.seq < first).map(show);
  return frozen([...older, ...timeline.messages], page.hasMore);
}

/** With the newest messages only. */
export function trimmed(timeline: Timeline, limit: number): Timeline {
  const surplus = timeline.messages.length - limit;
  return surplus > 0 ? frozen(timeline.messages.slice(surplus), true) : timeline;
}

/** With all that the visitor said as said by this one: a conversation has one visitor, who may become somebody known. */
export function withVisitor(timeline: Timeline, visitorId: string): Timeline {
  const messages = timeline.messages.map((message) =>
    message.senderType === "visitor" && message.senderId !== visitorId
      ? Object.freeze({ ...message, senderId: visitorId })
      : message,
  );
  return frozen(messages, timeline.hasMore);
}

function newer(old: StoredMessage | undefined, next: StoredMessage): StoredMessage {
  if (!old || old.messageId !== next.messageId) return next;
  if (isBefore(next, old)) return old;
  const merged = { ...next, key: old.key };
  return JSON.stringify(merged) === JSON.stringify(old) ? old : Object.freeze(merged);
}

function isBefore(a: { readonly updatedAt?: string }, b: { readonly updatedAt?: string }): boolean {
  return (a.updatedAt ?? "") < (b.updatedAt ?? "");
}

function replaced(timeline: Timeline, at: number, message: StoredMessage): Timeline {
  if (timeline.messages[at] === message) return timeline;
  return frozen(timeline.messages.map((old, i) => (i === at ? message : old)), timeline.hasMore);
}

function frozen(messages: readonly StoredMessage[], hasMore: boolean): Timeline {
  return Object.freeze({ messages: Object.freeze(messages), hasMore });
}
