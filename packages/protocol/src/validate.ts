// Generated from crates/protocol by `cargo xtask gen`. Do not edit.

import { judge, judgeMessage, type Fields, type Judged, type Rule } from "./interpret.js";
import type { Fault } from "./rules.js";
import type { ClientMessages, ServerMessages } from "./types.js";

export type { Fault, Judged };

const integer: Rule = [1];
const boolean: Rule = [2];
const activityAudience: Rule = [3, ["team", "all"]];
const personId: Rule = [0, 1, 128, /^[A-Za-z0-9_.:@|+-]+$/];
const activityState: Rule = [5, { userId: personId, phase: [0] }, { avatarUrl: [0], text: [0], userName: [0] }];
const attachment: Rule = [5, { id: [0, 1, 128], url: [0, 0, 2048, /^[hH][tT][tT][pP][sS]?:\/\/(?=[A-Za-z0-9\[]|[^\u0000-\u007f])[^\s\u0000-\u001f\u007f-\u009f"<>\\]+$/], type: [0, 1, 256], name: [0, 1, 256] }, { size: integer }];
const channel: Rule = [0, 0, undefined, /^(conversation|website):[A-Za-z0-9_-]{1,128}$/];
const connectionId: Rule = [0, 1, 128, /^[A-Za-z0-9_-]+$/];
const conversationId: Rule = [0, 1, 128, /^[A-Za-z0-9_-]+$/];
const conversationStatus: Rule = [3, ["open", "pending", "resolved", "closed"]];
const errorDetails: Rule = [5, {}, { path: [0], reason: [0], status: conversationStatus }];
const identity: Rule = [5, {}, { email: [0], externalId: [0], name: [0] }];
const limits: Rule = [5, { maxMessageBytes: integer, maxTextLength: integer, typingExpiry: integer }, { maxSubscriptions: integer, typingInterval: integer }];
const messageContent: Rule = [5, {}, { attachments: [4, attachment, 10], html: [0, 0, 32000], metadata: [6, 8192, 8], text: [0, 0, 16000] }, ["text", "html", "attachments"]];
const messageId: Rule = [0, 1, 128, /^[A-Za-z0-9_-]+$/];
const onlineVisitor: Rule = [5, { visitorId: personId, conversationIds: [4, conversationId] }];
const onlineState: Rule = [8, boolean, [4, onlineVisitor]];
const organizationId: Rule = [0, 1, 128, /^[A-Za-z0-9_-]+$/];
const receivedContent: Rule = [5, {}, { attachments: [4, attachment], html: [0], metadata: [6], text: [0] }];
const requestId: Rule = [0, 1, 64];
const userType: Rule = [3, ["visitor", "user", "ai_agent"]];
const seenState: Rule = [5, { userId: personId, userType, lastSeenSeq: integer }, { avatarUrl: [0], userName: [0] }];
const teamMember: Rule = [5, { userType }, { avatarUrl: [0], name: [0] }];
const team: Rule = [5, { online: boolean, members: [4, teamMember] }];
const timestamp: Rule = [0, 0, undefined, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, true];
const typingState: Rule = [5, { userId: personId, userType }, { avatarUrl: [0], conversationId, userName: [0] }];
const viewingState: Rule = [5, { userId: personId }, { avatarUrl: [0], userName: [0] }];
const visibility: Rule = [3, ["public", "internal"]];
const websiteId: Rule = [0, 1, 128, /^[A-Za-z0-9_-]+$/];

const head: Rule = [5, {}, { id: requestId, timestamp: integer }];

const clientRules: Fields = {
  ping: [5, {}],
  authenticate: [5, { token: [0, 1, 8192] }],
  subscribe_conversation: [5, { conversationId }, { after: integer, epoch: [0, 0, 64], last: integer }],
  unsubscribe_conversation: [5, { conversationId }],
  subscribe_website: [5, { websiteId }, { after: integer, epoch: [0, 0, 64] }],
  unsubscribe_website: [5, { websiteId }],
  typing_start: [5, { conversationId }],
  typing_stop: [5, { conversationId }],
  typing_progress: [5, { conversationId, content: [0, 0, 2000] }],
  send_message: [5, { conversationId, content: messageContent }, { metadata: [6, 8192, 8], visibility }],
  mark_seen: [5, { conversationId, seq: integer }],
  viewing_start: [5, { conversationId }],
  viewing_stop: [5, { conversationId }],
  agent_activity: [5, { conversationId, phase: [0, 1, 64] }, { audience: activityAudience, text: [0, 0, 2000] }],
};

const serverRules: Fields = {
  connection_established: [5, { connectionId, serverTime: integer, userId: personId, userType, heartbeatInterval: integer, limits }, { expiresAt: timestamp, team, visitorToken: [0] }],
  pong: [5, {}],
  authenticated: [5, { expiresAt: timestamp }],
  token_expiring: [5, { expiresAt: timestamp }],
  subscription_confirmed: [5, { channel, epoch: [0], head: integer, recovered: boolean, replayed: integer }, { activity: [4, activityState], assignedTeamMemberId: [7, personId], online: onlineState, seen: [4, seenState], status: conversationStatus, typing: [4, typingState], viewing: [4, viewingState], visitorId: personId }],
  subscription_error: [5, { error: [0], code: [0], channel }, { details: errorDetails, retryAfter: integer }],
  subscription_ended: [5, { channel }, { reason: [0] }],
  message_ack: [5, { id: requestId, conversationId, messageId, seq: integer, createdAt: timestamp }, { duplicate: boolean }],
  new_message: [5, { conversationId, messageId, content: [7, receivedContent], senderType: userType, senderId: personId, createdAt: timestamp, websiteId, organizationId, visibility, seq: integer }, { clientMessageId: requestId, deleted: boolean, metadata: [6], offset: integer, senderName: [0], updatedAt: timestamp }],
  message_updated: [5, { conversationId, messageId, content: [7, receivedContent], updatedAt: timestamp, deleted: boolean, websiteId, organizationId, seq: integer }, { offset: integer }],
  conversation_created: [5, { conversationId, visitorId: personId, createdAt: timestamp, websiteId, organizationId, seq: integer }, { offset: integer }],
  visitor_identified: [5, { visitorId: personId, identity, websiteId, organizationId }, { conversationIds: [4, conversationId], previousVisitorId: personId }],
  team_online: [5, { websiteId }],
  team_offline: [5, { websiteId }],
  conversation_status_changed: [5, { conversationId, status: conversationStatus, websiteId, organizationId, seq: integer }, { changedBy: personId, offset: integer }],
  conversation_assigned: [5, { conversationId, assignedTeamMemberId: [7, personId], websiteId, organizationId, seq: integer }, { changedBy: personId, offset: integer }],
  conversation_seen: [5, { conversationId, userId: personId, userType, lastSeenSeq: integer, seenAt: timestamp, websiteId, organizationId }, { avatarUrl: [0], userName: [0] }],
  typing_indicator: [5, { conversationId, userId: personId, userType, isTyping: boolean, websiteId, organizationId }, { avatarUrl: [0], userName: [0] }],
  viewing_indicator: [5, { conversationId, userId: personId, isViewing: boolean, websiteId, organizationId }, { avatarUrl: [0], userName: [0] }],
  typing_progress: [5, { conversationId, userId: personId, userType, content: [0], websiteId, organizationId }, { avatarUrl: [0], userName: [0] }],
  agent_activity: [5, { conversationId, userId: personId, phase: [0], websiteId, organizationId }, { avatarUrl: [0], text: [0], userName: [0] }],
  visitor_online: [5, { conversationId, conversationIds: [4, conversationId], visitorId: personId, websiteId, organizationId }, { lastSeenAt: timestamp }],
  visitor_offline: [5, { conversationId, conversationIds: [4, conversationId], visitorId: personId, websiteId, organizationId }, { lastSeenAt: timestamp }],
  error: [5, { error: [0], code: [0] }, { details: errorDetails, retryAfter: integer }],
  reconnect: [5, { reason: [0] }, { retryAfter: integer }],
};

/** Judges what a client is about to say. */
export function validateClientMessage(value: unknown): Judged<ClientMessages> {
  return judgeMessage<ClientMessages>(clientRules, head, value);
}

/** Judges what a server said. */
export function validateServerMessage(value: unknown): Judged<ServerMessages> {
  return judgeMessage<ServerMessages>(serverRules, head, value);
}

/** Judges what a message is about to say; nothing, when it is as it must be. */
export function contentFault(value: unknown): Fault | undefined {
  return judge(messageContent, value);
}
