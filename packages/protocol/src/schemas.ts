// Generated from crates/protocol by `cargo xtask gen`. Do not edit.

import { z } from "zod";

import { isObject, keysFault, metadataFault, nonEmptyFault, textFault, type Fault } from "./rules.js";
import { ACTIVITY_AUDIENCES, CONVERSATION_STATUSES, ERROR_CODES, USER_TYPES, VISIBILITIES } from "./types.js";

type Issues = { value: unknown; issues: z.core.$ZodRawIssue[] };

function report(issues: Issues, fault: Fault | undefined): void {
  if (fault) {
    const path = fault.path === "" ? [] : fault.path.split(".");
    issues.issues.push({ code: "custom", message: fault.reason, path, input: issues.value });
  }
}

const text = (min?: number, max?: number, pattern?: RegExp, calendar?: boolean) =>
  z.string().check((issues) => report(issues, textFault(issues.value, min, max, pattern, calendar)));

const integer = () => z.int().min(0);

const freeObject = () => z.custom<Record<string, unknown>>(isObject, "must be an object");

const metadata = (maxBytes: number, maxDepth: number) =>
  freeObject().check((issues) => report(issues, metadataFault(issues.value, maxBytes, maxDepth)));

/** A field that need not be there; `null` is taken for its absence. */
const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

/** An object with these fields; unknown ones are kept. */
const object = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.looseObject(shape).check((issues) => report(issues, keysFault(issues.value)));

export const activityAudienceSchema = z.enum(ACTIVITY_AUDIENCES);

export const personIdSchema = text(1, 128, /^[A-Za-z0-9_.:@|+-]+$/);

export const activityStateSchema = object({
  userId: personIdSchema,
  phase: text(),
  avatarUrl: optional(text()),
  text: optional(text()),
  userName: optional(text()),
});

export const attachmentSchema = object({
  id: text(1, 128),
  url: text(0, 4096, /^[hH][tT][tT][pP][sS]?:\/\/(?=[A-Za-z0-9\[]|[^\u0000-\u007f])[^\s\u0000-\u001f\u007f-\u009f"<>\\]+$/),
  type: text(1, 256),
  name: text(1, 256),
  size: optional(integer()),
});

export const channelSchema = text(0, undefined, /^(conversation|website):[A-Za-z0-9_-]{1,128}$/);

export const connectionIdSchema = text(1, 128, /^[A-Za-z0-9_-]+$/);

export const conversationIdSchema = text(1, 128, /^[A-Za-z0-9_-]+$/);

export const conversationStatusSchema = z.enum(CONVERSATION_STATUSES);

export const errorCodeSchema = z.enum(ERROR_CODES);

export const errorDetailsSchema = object({
  path: optional(text()),
  reason: optional(text()),
  status: optional(conversationStatusSchema),
});

export const identitySchema = object({
  email: optional(text()),
  externalId: optional(text()),
  name: optional(text()),
});

export const limitsSchema = object({
  maxMessageBytes: integer(),
  maxTextLength: integer(),
  typingExpiry: integer(),
  maxSubscriptions: optional(integer()),
  typingInterval: optional(integer()),
});

export const messageContentSchema = object({
  attachments: optional(z.array(attachmentSchema).max(10)),
  html: optional(text(0, 32000)),
  metadata: optional(metadata(8192, 8)),
  text: optional(text(0, 16000)),
}).check((issues) => report(issues, nonEmptyFault(issues.value, ["text", "html", "attachments"])));

export const messageIdSchema = text(1, 128, /^[A-Za-z0-9_-]+$/);

export const onlineVisitorSchema = object({
  visitorId: personIdSchema,
  conversationIds: z.array(conversationIdSchema),
});

export const onlineStateSchema = z.union([z.boolean(), z.array(onlineVisitorSchema)]);

export const organizationIdSchema = text(1, 128, /^[A-Za-z0-9_-]+$/);

export const receivedContentSchema = object({
  attachments: optional(z.array(attachmentSchema)),
  html: optional(text()),
  metadata: optional(freeObject()),
  text: optional(text()),
});

export const requestIdSchema = text(1, 64);

export const userTypeSchema = z.enum(USER_TYPES);

export const seenStateSchema = object({
  userId: personIdSchema,
  userType: userTypeSchema,
  lastSeenSeq: integer(),
  avatarUrl: optional(text()),
  userName: optional(text()),
});

export const teamMemberSchema = object({
  userType: userTypeSchema,
  avatarUrl: optional(text()),
  name: optional(text()),
});

export const teamSchema = object({
  online: z.boolean(),
  members: z.array(teamMemberSchema),
});

export const timestampSchema = text(0, undefined, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, true);

export const typingStateSchema = object({
  userId: personIdSchema,
  userType: userTypeSchema,
  avatarUrl: optional(text()),
  conversationId: optional(conversationIdSchema),
  userName: optional(text()),
});

export const viewingStateSchema = object({
  userId: personIdSchema,
  avatarUrl: optional(text()),
  userName: optional(text()),
});

export const visibilitySchema = z.enum(VISIBILITIES);

export const websiteIdSchema = text(1, 128, /^[A-Za-z0-9_-]+$/);

/** Asks for a `pong`. */
export const pingSchema = object({
  type: z.literal("ping"),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Gives the credentials, or renews them. */
export const authenticateSchema = object({
  type: z.literal("authenticate"),
  token: text(1, 8192),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Asks for the events of a conversation. */
export const subscribeConversationSchema = object({
  type: z.literal("subscribe_conversation"),
  conversationId: conversationIdSchema,
  after: optional(integer()),
  epoch: optional(text(0, 64)),
  last: optional(integer()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Ends a subscription. */
export const unsubscribeConversationSchema = object({
  type: z.literal("unsubscribe_conversation"),
  conversationId: conversationIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Asks for the events of a website. */
export const subscribeWebsiteSchema = object({
  type: z.literal("subscribe_website"),
  websiteId: websiteIdSchema,
  after: optional(integer()),
  epoch: optional(text(0, 64)),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Ends a subscription. */
export const unsubscribeWebsiteSchema = object({
  type: z.literal("unsubscribe_website"),
  websiteId: websiteIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Begins to type. */
export const typingStartSchema = object({
  type: z.literal("typing_start"),
  conversationId: conversationIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Stops typing. */
export const typingStopSchema = object({
  type: z.literal("typing_stop"),
  conversationId: conversationIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Tells the text typed so far. */
export const typingProgressSchema = object({
  type: z.literal("typing_progress"),
  conversationId: conversationIdSchema,
  content: text(0, 2000),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Sends a message. */
export const sendMessageSchema = object({
  type: z.literal("send_message"),
  conversationId: conversationIdSchema,
  content: messageContentSchema,
  metadata: optional(metadata(8192, 8)),
  visibility: optional(visibilitySchema),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Has read up to a place. */
export const markSeenSchema = object({
  type: z.literal("mark_seen"),
  conversationId: conversationIdSchema,
  seq: integer(),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Has the conversation open. */
export const viewingStartSchema = object({
  type: z.literal("viewing_start"),
  conversationId: conversationIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Has it open no longer. */
export const viewingStopSchema = object({
  type: z.literal("viewing_stop"),
  conversationId: conversationIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** What an AI agent is doing. */
export const agentActivitySchema = object({
  type: z.literal("agent_activity"),
  conversationId: conversationIdSchema,
  phase: text(1, 64),
  audience: optional(activityAudienceSchema),
  text: optional(text(0, 2000)),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** The connection is established and authenticated. */
export const connectionEstablishedSchema = object({
  type: z.literal("connection_established"),
  connectionId: connectionIdSchema,
  serverTime: integer(),
  userId: personIdSchema,
  userType: userTypeSchema,
  heartbeatInterval: integer(),
  limits: limitsSchema,
  expiresAt: optional(timestampSchema),
  team: optional(teamSchema),
  visitorToken: optional(text()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Answers a `ping`. */
export const pongSchema = object({
  type: z.literal("pong"),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Answers an `authenticate`. */
export const authenticatedSchema = object({
  type: z.literal("authenticated"),
  expiresAt: timestampSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** The token's time is nearly over. */
export const tokenExpiringSchema = object({
  type: z.literal("token_expiring"),
  expiresAt: timestampSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Live delivery is in place; the replay follows. */
export const subscriptionConfirmedSchema = object({
  type: z.literal("subscription_confirmed"),
  channel: channelSchema,
  epoch: text(),
  head: integer(),
  recovered: z.boolean(),
  replayed: integer(),
  activity: optional(z.array(activityStateSchema)),
  assignedTeamMemberId: personIdSchema.nullable().optional(),
  id: optional(requestIdSchema),
  online: optional(onlineStateSchema),
  seen: optional(z.array(seenStateSchema)),
  status: optional(conversationStatusSchema),
  typing: optional(z.array(typingStateSchema)),
  viewing: optional(z.array(viewingStateSchema)),
  visitorId: optional(personIdSchema),
  timestamp: optional(integer()),
});

/** A subscription was refused. */
export const subscriptionErrorSchema = object({
  type: z.literal("subscription_error"),
  error: text(),
  code: text(),
  channel: channelSchema,
  details: optional(errorDetailsSchema),
  id: optional(requestIdSchema),
  retryAfter: optional(integer()),
  timestamp: optional(integer()),
});

/** A subscription has ended. */
export const subscriptionEndedSchema = object({
  type: z.literal("subscription_ended"),
  channel: channelSchema,
  id: optional(requestIdSchema),
  reason: optional(text()),
  timestamp: optional(integer()),
});

/** A message is on stable storage. */
export const messageAckSchema = object({
  type: z.literal("message_ack"),
  id: requestIdSchema,
  conversationId: conversationIdSchema,
  messageId: messageIdSchema,
  seq: integer(),
  createdAt: timestampSchema,
  duplicate: optional(z.boolean()),
  timestamp: optional(integer()),
});

/** A message. Durable. */
export const newMessageSchema = object({
  type: z.literal("new_message"),
  conversationId: conversationIdSchema,
  messageId: messageIdSchema,
  content: receivedContentSchema.nullable(),
  senderType: userTypeSchema,
  senderId: personIdSchema,
  createdAt: timestampSchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  visibility: visibilitySchema,
  seq: integer(),
  clientMessageId: optional(requestIdSchema),
  deleted: optional(z.boolean()),
  metadata: optional(freeObject()),
  offset: optional(integer()),
  senderName: optional(text()),
  updatedAt: optional(timestampSchema),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A message was edited or deleted. Durable. */
export const messageUpdatedSchema = object({
  type: z.literal("message_updated"),
  conversationId: conversationIdSchema,
  messageId: messageIdSchema,
  content: receivedContentSchema.nullable(),
  updatedAt: timestampSchema,
  deleted: z.boolean(),
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  seq: integer(),
  offset: optional(integer()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A conversation began. Durable. */
export const conversationCreatedSchema = object({
  type: z.literal("conversation_created"),
  conversationId: conversationIdSchema,
  visitorId: personIdSchema,
  createdAt: timestampSchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  seq: integer(),
  offset: optional(integer()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A visitor became a known person. */
export const visitorIdentifiedSchema = object({
  type: z.literal("visitor_identified"),
  visitorId: personIdSchema,
  identity: identitySchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  conversationIds: optional(z.array(conversationIdSchema)),
  previousVisitorId: optional(personIdSchema),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** The first of the team came. */
export const teamOnlineSchema = object({
  type: z.literal("team_online"),
  websiteId: websiteIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** The last of the team left. */
export const teamOfflineSchema = object({
  type: z.literal("team_offline"),
  websiteId: websiteIdSchema,
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A conversation's status changed. Durable. */
export const conversationStatusChangedSchema = object({
  type: z.literal("conversation_status_changed"),
  conversationId: conversationIdSchema,
  status: conversationStatusSchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  seq: integer(),
  changedBy: optional(personIdSchema),
  offset: optional(integer()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A conversation's assignee changed. Durable. */
export const conversationAssignedSchema = object({
  type: z.literal("conversation_assigned"),
  conversationId: conversationIdSchema,
  assignedTeamMemberId: personIdSchema.nullable(),
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  seq: integer(),
  changedBy: optional(personIdSchema),
  offset: optional(integer()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Somebody has read up to a place. */
export const conversationSeenSchema = object({
  type: z.literal("conversation_seen"),
  conversationId: conversationIdSchema,
  userId: personIdSchema,
  userType: userTypeSchema,
  lastSeenSeq: integer(),
  seenAt: timestampSchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  avatarUrl: optional(text()),
  userName: optional(text()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Somebody begins or stops typing. */
export const typingIndicatorSchema = object({
  type: z.literal("typing_indicator"),
  conversationId: conversationIdSchema,
  userId: personIdSchema,
  userType: userTypeSchema,
  isTyping: z.boolean(),
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  avatarUrl: optional(text()),
  userName: optional(text()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Somebody opened or left a conversation. */
export const viewingIndicatorSchema = object({
  type: z.literal("viewing_indicator"),
  conversationId: conversationIdSchema,
  userId: personIdSchema,
  isViewing: z.boolean(),
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  avatarUrl: optional(text()),
  userName: optional(text()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** The text that somebody has typed so far. */
export const typingProgressEventSchema = object({
  type: z.literal("typing_progress"),
  conversationId: conversationIdSchema,
  userId: personIdSchema,
  userType: userTypeSchema,
  content: text(),
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  avatarUrl: optional(text()),
  userName: optional(text()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** What an AI agent is doing. */
export const agentActivityEventSchema = object({
  type: z.literal("agent_activity"),
  conversationId: conversationIdSchema,
  userId: personIdSchema,
  phase: text(),
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  avatarUrl: optional(text()),
  text: optional(text()),
  userName: optional(text()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A visitor came. */
export const visitorOnlineSchema = object({
  type: z.literal("visitor_online"),
  conversationId: conversationIdSchema,
  conversationIds: z.array(conversationIdSchema),
  visitorId: personIdSchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  lastSeenAt: optional(timestampSchema),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** A visitor left. */
export const visitorOfflineSchema = object({
  type: z.literal("visitor_offline"),
  conversationId: conversationIdSchema,
  conversationIds: z.array(conversationIdSchema),
  visitorId: personIdSchema,
  websiteId: websiteIdSchema,
  organizationId: organizationIdSchema,
  lastSeenAt: optional(timestampSchema),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** Something failed. */
export const errorMessageSchema = object({
  type: z.literal("error"),
  error: text(),
  code: text(),
  details: optional(errorDetailsSchema),
  id: optional(requestIdSchema),
  retryAfter: optional(integer()),
  timestamp: optional(integer()),
});

/** The server asks the client to come back elsewhere or later. */
export const reconnectSchema = object({
  type: z.literal("reconnect"),
  reason: text(),
  retryAfter: optional(integer()),
  id: optional(requestIdSchema),
  timestamp: optional(integer()),
});

/** What a client says. */
export const clientMessageSchema = z.discriminatedUnion("type", [
  pingSchema,
  authenticateSchema,
  subscribeConversationSchema,
  unsubscribeConversationSchema,
  subscribeWebsiteSchema,
  unsubscribeWebsiteSchema,
  typingStartSchema,
  typingStopSchema,
  typingProgressSchema,
  sendMessageSchema,
  markSeenSchema,
  viewingStartSchema,
  viewingStopSchema,
  agentActivitySchema,
]);

/** What the server says. */
export const serverMessageSchema = z.discriminatedUnion("type", [
  connectionEstablishedSchema,
  pongSchema,
  authenticatedSchema,
  tokenExpiringSchema,
  subscriptionConfirmedSchema,
  subscriptionErrorSchema,
  subscriptionEndedSchema,
  messageAckSchema,
  newMessageSchema,
  messageUpdatedSchema,
  conversationCreatedSchema,
  visitorIdentifiedSchema,
  teamOnlineSchema,
  teamOfflineSchema,
  conversationStatusChangedSchema,
  conversationAssignedSchema,
  conversationSeenSchema,
  typingIndicatorSchema,
  viewingIndicatorSchema,
  typingProgressEventSchema,
  agentActivityEventSchema,
  visitorOnlineSchema,
  visitorOfflineSchema,
  errorMessageSchema,
  reconnectSchema,
]);
