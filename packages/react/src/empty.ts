/** What is shown where there is no connection and never was: on a server, and while its page is taken over. */

import type { ConversationSnapshot, InboxSnapshot } from "@cossistant/client";

const NOBODY: readonly never[] = [];

/** A conversation of which nothing is known yet. */
export function emptyConversation(conversationId: string): ConversationSnapshot {
  return {
    conversationId,
    subscription: undefined,
    isLoading: true,
    error: undefined,
    messages: NOBODY,
    hasMore: false,
    isLoadingMore: false,
    visitorId: undefined,
    status: undefined,
    assignedTeamMemberId: undefined,
    seen: NOBODY,
    typing: NOBODY,
    viewing: NOBODY,
    activity: NOBODY,
    isVisitorOnline: undefined,
    unreadCount: 0,
  };
}

/** A website of which nothing is known yet. */
export function emptyInbox(websiteId: string): InboxSnapshot {
  return {
    websiteId,
    subscription: undefined,
    filter: {},
    conversations: NOBODY,
    isLoading: true,
    isLoadingMore: false,
    hasMore: false,
    error: undefined,
    unreadCount: 0,
  };
}
