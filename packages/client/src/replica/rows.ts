/** The conversations of a list: each a frozen row, in the order of their newest activity. */

import type { NewMessage, ServerMessages } from "@cossistant/protocol/types";

import type { Identity } from "../state.js";
import { factsIn, isEqual } from "./people.js";
import { isSelf, shown } from "./timeline.js";
import type { InboxConversation, InboxFilter, Typist } from "./types.js";

/** A conversation as it comes over HTTP. */
export type ConversationItem = Omit<InboxConversation, "lastMessage" | "isOnline" | "typing"> & {
  readonly lastMessage: NewMessage | null;
  readonly online: boolean;
};

/** A row of what came over HTTP. */
export function rowOf(item: ConversationItem, self: Identity | undefined, typing: readonly Typist[]): InboxConversation {
  const { online, lastMessage, ...told } = item;
  return Object.freeze({
    ...told,
    lastMessage: lastMessage ? shown(lastMessage, self) : undefined,
    isOnline: online,
    typing,
  });
}

/**
 * The row after an event of its conversation, or about its visitor. An event that the row has already changes nothing.
 * Undefined when only the server can tell. `now` is the time of events that do not tell it.
 */
export function reduceRow(
  row: InboxConversation,
  event: ServerMessages,
  self: Identity | undefined,
  now: string,
): InboxConversation | undefined {
  const { lastMessage, unreadCount } = row;
  const lastSeq = lastMessage?.seq ?? 0;
  const at = (time: string): string => (time > row.lastActivityAt ? time : row.lastActivityAt);
  switch (event.type) {
    case "new_message": {
      if (event.seq <= lastSeq) return row;
      const isUnread = !event.deleted && !isSelf(self, event.senderType, event.senderId);
      return changedRow(row, {
        lastMessage: shown(event, self),
        lastActivityAt: at(event.createdAt),
        unreadCount: unreadCount + Number(isUnread),
      });
    }
    case "message_updated": {
      const { messageId, content, updatedAt, deleted: isDeleted } = event;
      // Whether a deleted message was among the unread ones is not told.
      if (isDeleted && unreadCount > 0) return undefined;
      const isLast = lastMessage?.messageId === messageId && updatedAt >= (lastMessage.updatedAt ?? "");
      const edited = isLast && { lastMessage: Object.freeze({ ...lastMessage, content, updatedAt, isDeleted }) };
      return changedRow(row, { lastActivityAt: at(updatedAt), ...edited });
    }
    case "conversation_seen":
      if (unreadCount === 0 || !isSelf(self, event.userType, event.userId)) return row;
      return event.lastSeenSeq < lastSeq ? undefined : changedRow(row, { unreadCount: 0 });
    case "conversation_created":
      // The row is newer: its visitor may have become somebody known since.
      return row;
    case "visitor_online":
    case "visitor_offline":
      return changedRow(row, { isOnline: event.type === "visitor_online" });
    case "visitor_identified":
      return changedRow(row, { visitorId: event.visitorId, visitor: event.identity });
    default: {
      const next = changedRow(row, factsIn(event));
      return next === row ? row : changedRow(next, { lastActivityAt: at(now) });
    }
  }
}

/** Rows by id, and those of them in order that the filter lets through: newest activity first, as the server sorts. */
export interface Rows {
  /** Of the rows in order. */
  readonly unreadCount: number;
  get(conversationId: string): InboxConversation | undefined;
  /** All rows, those not shown too. */
  all(): readonly InboxConversation[];
  /** Puts a row in, at its place: a search and a shift. */
  set(row: InboxConversation): void;
  delete(conversationId: string): void;
  /** The rows in order: the same list until one of them changes. */
  list(): readonly InboxConversation[];
}

/**
 * Makes a list without rows. Of those that `isListed` does not let through, which are kept to know what becomes of them,
 * the newest `hiddenMax` stay.
 */
export function createRows(isListed: (row: InboxConversation) => boolean, hiddenMax: number): Rows {
  const byId = new Map<string, InboxConversation>();
  const hidden = new Set<string>();
  const sorted: InboxConversation[] = [];
  let list: readonly InboxConversation[] | undefined;
  let unreadCount = 0;

  function placeOf(row: InboxConversation): number {
    let low = 0;
    for (let high = sorted.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (isBefore(sorted[middle] ?? row, row)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function remove(id: string): void {
    const row = byId.get(id);
    if (row && !hidden.delete(id)) {
      sorted.splice(placeOf(row), 1);
      unreadCount -= row.unreadCount;
      list = undefined;
    }
    byId.delete(id);
  }

  return {
    get unreadCount() {
      return unreadCount;
    },
    get: (id) => byId.get(id),
    all: () => [...byId.values()],
    set(row) {
      const id = row.conversationId;
      if (row === byId.get(id)) return;
      remove(id);
      byId.set(id, row);
      if (isListed(row)) {
        sorted.splice(placeOf(row), 0, row);
        unreadCount += row.unreadCount;
        list = undefined;
      } else {
        const [oldest = ""] = hidden.add(id);
        if (hidden.size > hiddenMax) remove(oldest);
      }
    },
    delete: remove,
    list: () => (list ??= Object.freeze([...sorted])),
  };
}

/** The row with other parts; itself if they say the same. */
export function changedRow(row: InboxConversation, parts: Partial<InboxConversation>): InboxConversation {
  const next = { ...row, ...parts };
  return (Object.keys(parts) as (keyof InboxConversation)[]).every((name) => isEqual(row[name], parts[name]))
    ? row
    : Object.freeze(next);
}

function isBefore(a: InboxConversation, b: InboxConversation): boolean {
  if (a.lastActivityAt !== b.lastActivityAt) return a.lastActivityAt > b.lastActivityAt;
  return a.conversationId > b.conversationId;
}

/** Whether a list with this filter shows a row. What a search finds only the server knows. */
export function isListed(row: InboxConversation, filter: InboxFilter, self: Identity | undefined): boolean {
  const { status, assignee } = filter;
  if (status && status !== row.status) return false;
  if (!assignee) return true;
  const wanted = assignee === "me" ? self?.userId : assignee === "none" ? null : assignee;
  return wanted === row.assignedTeamMemberId;
}
