/** The conversations of a list: each a frozen row, in the order of their newest activity. */

import type { ConversationStatus, Identity as Person, NewMessage, ServerMessages } from "@cossistant/protocol/types";

import type { Identity } from "../state.js";
import { isOwn, shown } from "./timeline.js";
import type { InboxConversation, InboxFilter, Typist } from "./types.js";

/** A conversation as it comes over HTTP. */
export interface ConversationItem {
  readonly conversationId: string;
  readonly websiteId: string;
  readonly visitorId: string;
  readonly visitor?: Person;
  readonly status: ConversationStatus;
  readonly assignedTeamMemberId: string | null;
  readonly createdAt: string;
  readonly lastActivityAt: string;
  readonly lastMessage: NewMessage | null;
  readonly unreadCount: number;
  readonly online: boolean;
}

/** A row of what came over HTTP. */
export function rowOf(
  item: ConversationItem,
  self: Identity | undefined,
  typing: readonly Typist[],
): InboxConversation {
  const { online, lastMessage, ...rest } = item;
  return Object.freeze({
    ...rest,
    lastMessage: lastMessage ? shown(lastMessage, self, (id) => id) : undefined,
    isOnline: online,
    typing,
  });
}

/**
 * The row after an event of its conversation, or about its visitor. An event that the row has already changes nothing.
 * Undefined when only the server can tell what the row is now.
 */
export function reduceRow(
  row: InboxConversation,
  event: ServerMessages,
  self: Identity | undefined,
  now: string,
): InboxConversation | undefined {
  switch (event.type) {
    case "new_message": {
      const last = row.lastMessage?.seq ?? 0;
      if (event.seq <= last) return row;
      const isUnread = !isOwn(self, event) && !event.deleted;
      return changed(row, {
        lastMessage: shown(event, self, (id) => id),
        lastActivityAt: later(row.lastActivityAt, event.createdAt),
        unreadCount: row.unreadCount + (isUnread ? 1 : 0),
      });
    }
    case "message_updated": {
      // Whether a deleted message was among the unread ones is not told.
      if (event.deleted && row.unreadCount > 0) return undefined;
      const lastActivityAt = later(row.lastActivityAt, event.updatedAt);
      const last = row.lastMessage;
      if (last?.messageId !== event.messageId) return changed(row, { lastActivityAt });
      const { content, deleted, updatedAt } = event;
      return changed(row, { lastActivityAt, lastMessage: Object.freeze({ ...last, content, updatedAt, isDeleted: deleted }) });
    }
    case "conversation_status_changed":
      if (event.status === row.status) return row;
      return changed(row, { status: event.status, lastActivityAt: later(row.lastActivityAt, now) });
    case "conversation_assigned": {
      const { assignedTeamMemberId } = event;
      if (assignedTeamMemberId === row.assignedTeamMemberId) return row;
      return changed(row, { assignedTeamMemberId, lastActivityAt: later(row.lastActivityAt, now) });
    }
    case "conversation_seen":
      if (row.unreadCount === 0 || !isOwn(self, { senderId: event.userId, senderType: event.userType })) return row;
      return event.lastSeenSeq >= (row.lastMessage?.seq ?? 0) ? changed(row, { unreadCount: 0 }) : undefined;
    case "visitor_online":
    case "visitor_offline":
      return changed(row, { isOnline: event.type === "visitor_online" });
    case "visitor_identified":
      return changed(row, { visitorId: event.visitorId, visitor: event.identity });
    default:
      return row;
  }
}

/** The row with other parts; itself if they are the same. */
export function changed(row: InboxConversation, parts: Partial<InboxConversation>): InboxConversation {
  const isSame = (Object.keys(parts) as (keyof InboxConversation)[]).every((name) => row[name] === parts[name]);
  return isSame ? row : Object.freeze({ ...row, ...parts });
}

function later(a: string, b: string): string {
  return a < b ? b : a;
}

/** Whether a list with this filter shows a conversation. What a search finds only the server knows. */
export function isListed(
  { status, assignedTeamMemberId }: Pick<InboxConversation, "status" | "assignedTeamMemberId">,
  filter: InboxFilter,
  self: Identity | undefined,
): boolean {
  const { assignee } = filter;
  if (filter.status !== undefined && filter.status !== status) return false;
  if (assignee === undefined) return true;
  const wanted = assignee === "none" ? null : assignee === "me" ? self?.userId : assignee;
  return wanted === assignedTeamMemberId;
}

/** Rows by id and in order: newest activity first, as the server sorts them. A change costs a search and a shift. */
export interface Rows {
  readonly size: number;
  /** Of all rows. */
  readonly unreadCount: number;
  get(conversationId: string): InboxConversation | undefined;
  /** The conversations of a visitor. */
  of(visitorId: string): readonly string[];
  set(row: InboxConversation): void;
  delete(conversationId: string): void;
  /** In order. A copy, frozen. */
  list(): readonly InboxConversation[];
}

/** Makes a list without rows. */
export function createRows(): Rows {
  const byId = new Map<string, InboxConversation>();
  const byVisitor = new Map<string, Set<string>>();
  const sorted: InboxConversation[] = [];
  let unreadCount = 0;

  /** Where a row is, or would be. */
  function placeOf(row: InboxConversation): number {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = sorted[middle];
      if (other && isNewer(other, row)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function remove(conversationId: string): void {
    const row = byId.get(conversationId);
    if (!row) return;
    byId.delete(conversationId);
    byVisitor.get(row.visitorId)?.delete(conversationId);
    if (byVisitor.get(row.visitorId)?.size === 0) byVisitor.delete(row.visitorId);
    sorted.splice(placeOf(row), 1);
    unreadCount -= row.unreadCount;
  }

  return {
    get size() {
      return byId.size;
    },
    get unreadCount() {
      return unreadCount;
    },
    get: (conversationId) => byId.get(conversationId),
    of: (visitorId) => [...(byVisitor.get(visitorId) ?? [])],
    set(row) {
      const old = byId.get(row.conversationId);
      if (old?.lastActivityAt === row.lastActivityAt && old.visitorId === row.visitorId) {
        sorted[placeOf(old)] = row;
        unreadCount -= old.unreadCount;
      } else {
        remove(row.conversationId);
        const ids = byVisitor.get(row.visitorId) ?? new Set();
        byVisitor.set(row.visitorId, ids.add(row.conversationId));
        sorted.splice(placeOf(row), 0, row);
      }
      byId.set(row.conversationId, row);
      unreadCount += row.unreadCount;
    },
    delete: remove,
    list: () => Object.freeze(sorted.slice()),
  };
}

function isNewer(a: InboxConversation, b: InboxConversation): boolean {
  if (a.lastActivityAt !== b.lastActivityAt) return a.lastActivityAt > b.lastActivityAt;
  return a.conversationId > b.conversationId;
}
