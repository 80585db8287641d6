/**
 * The stored messages of a conversation, by rising `seq`: a stretch without holes up to the newest one.
 *
 * Pages and live events meet here in any order. A message is known by its id, its place by its `seq`, and of two
 * versions the one that was updated later stands.
 */

import type { MessageUpdated, NewMessage } from "@cossistant/protocol/types";

import type { Identity } from "../state.js";
import { isEqual } from "./people.js";
import type { ConversationMessage } from "./types.js";

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

/** Whether somebody is this client itself. A conversation has one visitor only. */
export function isSelf(self: Identity | undefined, senderType: string, senderId: string): boolean {
  return self?.userType === senderType && (senderType === "visitor" || self.userId === senderId);
}

/**
 * A message as it is shown. `keyOf` gives the key under which a message of one's own is shown already. A conversation has
 * one visitor, who may have become somebody known since the message was told.
 */
export function shown(
  message: NewMessage,
  self: Identity | undefined,
  keyOf = (id: string) => id,
  visitorId?: string,
): StoredMessage {
  const { type, websiteId, organizationId, offset, id, timestamp, deleted, ...told } = message;
  const isOwn = isSelf(self, told.senderType, told.senderId);
  return Object.freeze({
    ...told,
    senderId: (told.senderType === "visitor" && visitorId) || told.senderId,
    key: isOwn && told.clientMessageId !== undefined ? keyOf(told.clientMessageId) : told.messageId,
    delivery: "sent",
    isDeleted: deleted === true,
    isOwn,
  });
}

/**
 * With a message at its place, in place of an older version. One that is older than what is loaded is left out: it comes
 * with its page.
 */
export function withMessage(timeline: Timeline, message: StoredMessage): Timeline {
  const { messages, hasMore } = timeline;
  let at = messages.length;
  while (at > 0 && (messages[at - 1]?.seq ?? 0) >= message.seq) at -= 1;
  const old = messages[at];
  if (old?.seq === message.seq) return replaced(timeline, old, newer(old, message));
  if (at === 0 && hasMore) return timeline;
  return frozen([...messages.slice(0, at), message, ...messages.slice(at)], hasMore);
}

/** With an edit or a deletion; unchanged if that message is not there, or was updated later. */
export function withUpdate(timeline: Timeline, update: MessageUpdated): Timeline {
  const { messageId, content, updatedAt, deleted } = update;
  const old = timeline.messages.find((message) => message.messageId === messageId);
  return old ? replaced(timeline, old, newer(old, { ...old, content, updatedAt, isDeleted: deleted })) : timeline;
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
  return timeline.messages.length > limit ? frozen(timeline.messages.slice(-limit), true) : timeline;
}

/** With all that the visitor said as said by this one: a conversation has one visitor, who may become somebody known. */
export function withVisitor({ messages, hasMore }: Timeline, visitorId: string): Timeline {
  return frozen(
    messages.map((message) =>
      message.senderType === "visitor" ? newer(message, { ...message, senderId: visitorId }) : message,
    ),
    hasMore,
  );
}

/** Of two versions of a message the one that was updated later. */
function newer(old: StoredMessage | undefined, next: StoredMessage): StoredMessage {
  if (old?.messageId !== next.messageId) return next;
  if ((next.updatedAt ?? "") < (old.updatedAt ?? "")) return old;
  const merged = { ...old, ...next, key: old.key };
  return isEqual(merged, old) ? old : Object.freeze(merged);
}

function replaced(timeline: Timeline, old: StoredMessage, next: StoredMessage): Timeline {
  if (old === next) return timeline;
  return frozen(
    timeline.messages.map((message) => (message === old ? next : message)),
    timeline.hasMore,
  );
}

function frozen(messages: readonly StoredMessage[], hasMore: boolean): Timeline {
  return { messages: Object.freeze(messages), hasMore };
}
