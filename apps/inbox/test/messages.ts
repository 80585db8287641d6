/** Messages for tests: what matters is said, the rest is as usual. */

import type { ConversationMessage, InboxConversation } from "@cossistant/react/websocket";

export const NOON = Date.parse("2026-03-04T12:00:00.000Z");

export function message(parts: Partial<ConversationMessage> & { key: string }): ConversationMessage {
  return {
    messageId: parts.key,
    conversationId: "c",
    content: { text: parts.key },
    senderType: "visitor",
    senderId: "v",
    createdAt: new Date(NOON).toISOString(),
    visibility: "public",
    delivery: "sent",
    isDeleted: false,
    isOwn: false,
    ...parts,
  };
}

export function conversation(parts: Partial<InboxConversation> & { conversationId: string }): InboxConversation {
  return {
    websiteId: "w",
    visitorId: "v",
    status: "open",
    assignedTeamMemberId: null,
    createdAt: new Date(NOON).toISOString(),
    lastActivityAt: new Date(NOON).toISOString(),
    lastMessage: undefined,
    unreadCount: 0,
    isOnline: false,
    typing: [],
    ...parts,
  };
}
