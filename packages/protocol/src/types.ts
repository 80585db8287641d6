// Generated from crates/protocol by `cargo xtask gen`. Do not edit.


/** Who sees an AI agent's activity. */
export type ActivityAudience = (typeof ACTIVITY_AUDIENCES)[number];

/** Every {@link ActivityAudience}. */
export const ACTIVITY_AUDIENCES = [
  /** Users and AI agents. */
  "team",
  /** The visitor too. */
  "all",
] as const;

/** What an AI agent is doing now. */
export interface ActivityState {
  /** Who. */
  userId: PersonId;
  /** A word for it. */
  phase: string;
  /** A picture. */
  avatarUrl?: string;
  /** A text for people. */
  text?: string;
  /** The name, for people. */
  userName?: string;
}

/** A file or an image that a message points to. */
export interface Attachment {
  /** The application's id of it. */
  id: string;
  /** Where it is: http or https. */
  url: string;
  /** Its media type, such as `image/png`. */
  type: string;
  /** Its name, for people. */
  name: string;
  /** Its size in bytes. */
  size?: number;
}

/** A channel, written `conversation:ID` or `website:ID`. */
export type Channel = string;

/** The id that the server gave a connection (`conn_…`). */
export type ConnectionId = string;

/** The id of a conversation; unique within its organization. */
export type ConversationId = string;

/** How a conversation stands. */
export type ConversationStatus = (typeof CONVERSATION_STATUSES)[number];

/** Every {@link ConversationStatus}. */
export const CONVERSATION_STATUSES = [
  /** Somebody should answer. */
  "open",
  /** It waits for something. */
  "pending",
  /** Answered; a visitor's next message opens it again. */
  "resolved",
  /** Ended; a visitor's message is refused. */
  "closed",
] as const;

/** Why a message or a request failed: for programs. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Every {@link ErrorCode}. */
export const ERROR_CODES = [
  /** The text is not JSON. */
  "invalid_json",
  /** A field is missing, too long, or of a wrong form; `details` says which and why. */
  "invalid_message",
  /** The server does not know this `type`. */
  "unknown_type",
  /** The credentials are missing or not accepted. */
  "unauthorized",
  /** The token's time is over. */
  "token_expired",
  /** One may see it, but not do this. */
  "forbidden",
  /** It does not exist, or not for the one who asks. */
  "not_found",
  /** It contradicts what stands: the same id with other content, a closed conversation, a lost compare-and-set. */
  "conflict",
  /** It is larger than the limit. */
  "too_large",
  /** Too many in too short a time; not stored, the same `id` may be sent again after `retryAfter`. */
  "rate_limited",
  /** Too many subscriptions on one connection. */
  "limit_exceeded",
  /** The store is down or full; not stored, the same `id` may be sent again after `retryAfter`. */
  "unavailable",
  /** A fault of the server. */
  "internal",
  /** HTTP: the path exists, but not with this method. */
  "method_not_allowed",
  /** HTTP: the body is not `application/json`. */
  "unsupported_media_type",
] as const;

/** More about an error. */
export interface ErrorDetails {
  /** Which field: names and indexes joined by dots. */
  path?: string;
  /** Why, for people. */
  reason?: string;
  /** How the conversation stands, when that is the reason. */
  status?: ConversationStatus;
}

/** Who a visitor is. */
export interface Identity {
  /** The e-mail address. */
  email?: string;
  /** The id in the customer's own books. */
  externalId?: string;
  /** The name, for people. */
  name?: string;
}

/** What a connection may do. */
export interface Limits {
  /** The most bytes of one message, inflated. */
  maxMessageBytes: number;
  /** The most characters of a message's `text`. */
  maxTextLength: number;
  /** After how long a silence a typing state ends, in ms. */
  typingExpiry: number;
  /** The most subscriptions of one connection; absent when there is no limit. */
  maxSubscriptions?: number;
  /** The least time between two typing messages before they are merged, in ms; absent when there is no limit. */
  typingInterval?: number;
}

/** What a message says. At least one of `text`, `html` and `attachments` is not empty. */
export interface MessageContent {
  /** Files and images by URL. */
  attachments?: Attachment[];
  /** Rich text, from users and AI agents only; the server keeps a sanitised form. */
  html?: string;
  /** An object of the application's own. */
  metadata?: Record<string, unknown>;
  /** Plain text. */
  text?: string;
}

/** The id that the server gave a message (`msg_…`); sorts by time. */
export type MessageId = string;

/** Who is online: of a conversation whether its visitor is, of a website which visitors are. */
export type OnlineState = boolean | OnlineVisitor[];

/** A visitor who is online now. */
export interface OnlineVisitor {
  /** Who. */
  visitorId: PersonId;
  /** The visitor's conversations that are not closed, newest first, at most 20. */
  conversationIds: ConversationId[];
}

/** The id of a customer of the platform, who has websites. */
export type OrganizationId = string;

/** The id of a visitor, user or AI agent: the `sub` of a token. */
export type PersonId = string;

/**
 * What a message says, as the server tells it.
 *
 * The server has checked it when it came in. Its lengths are not checked again, and it may be empty: what sanitising
 * makes of an `html` can be longer than what was sent, or nothing.
 */
export interface ReceivedContent {
  /** Files and images by URL. */
  attachments?: Attachment[];
  /** Rich text in a sanitised form. */
  html?: string;
  /** An object of the application's own. */
  metadata?: Record<string, unknown>;
  /** Plain text. */
  text?: string;
}

/** The `id` that a client gives a message, echoed by its answer; of a `send_message` the idempotency key. */
export type RequestId = string;

/** How far a person has read. */
export interface SeenState {
  /** Who. */
  userId: PersonId;
  /** What kind of principal. */
  userType: UserType;
  /** The place, in the numbering of the one who is told. */
  lastSeenSeq: number;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  userName?: string;
}

/** The team of a website, as visitors see it. */
export interface Team {
  /** Whether anybody is connected. */
  online: boolean;
  /** Who is. */
  members: TeamMember[];
}

/** A member of the team, as visitors see it. */
export interface TeamMember {
  /** A user or an AI agent. */
  userType: UserType;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  name?: string;
}

/** RFC 3339 UTC with milliseconds. */
export type Timestamp = string;

/** A person who is typing now. */
export interface TypingState {
  /** Who. */
  userId: PersonId;
  /** What kind of principal. */
  userType: UserType;
  /** A picture. */
  avatarUrl?: string;
  /** Where; told of a website, not of a conversation. */
  conversationId?: ConversationId;
  /** The name, for people. */
  userName?: string;
}

/** What kind of person or program a principal is. */
export type UserType = (typeof USER_TYPES)[number];

/** Every {@link UserType}. */
export const USER_TYPES = [
  /** A person on a customer's website. */
  "visitor",
  /** A team member who answers. */
  "user",
  /** A program that answers. */
  "ai_agent",
] as const;

/** A user who has the conversation open now. */
export interface ViewingState {
  /** Who. */
  userId: PersonId;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  userName?: string;
}

/** Who may read a message. */
export type Visibility = (typeof VISIBILITIES)[number];

/** Every {@link Visibility}. */
export const VISIBILITIES = [
  /** The visitor and the team. */
  "public",
  /** The team only: a note. */
  "internal",
] as const;

/** The id of a website; unique within its organization. */
export type WebsiteId = string;

/** Asks for a `pong`. */
export interface Ping {
  type: "ping";
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Gives the credentials, or renews them. */
export interface Authenticate {
  type: "authenticate";
  /** A JWT. */
  token: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Asks for the events of a conversation. */
export interface SubscribeConversation {
  type: "subscribe_conversation";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Replay all that follows this `seq`. */
  after?: number;
  /** The store's life in which `after` was seen. */
  epoch?: string;
  /** Replay the newest so many; `after` wins over it. */
  last?: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Ends a subscription. */
export interface UnsubscribeConversation {
  type: "unsubscribe_conversation";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Asks for the events of a website. */
export interface SubscribeWebsite {
  type: "subscribe_website";
  /** Which website. */
  websiteId: WebsiteId;
  /** Replay all that follows this `offset`. */
  after?: number;
  /** The store's life in which `after` was seen. */
  epoch?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Ends a subscription. */
export interface UnsubscribeWebsite {
  type: "unsubscribe_website";
  /** Which website. */
  websiteId: WebsiteId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Begins to type. */
export interface TypingStart {
  type: "typing_start";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Stops typing. */
export interface TypingStop {
  type: "typing_stop";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Tells the text typed so far. */
export interface TypingProgress {
  type: "typing_progress";
  /** Which conversation. */
  conversationId: ConversationId;
  /** The whole text, empty when it was deleted. */
  content: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Sends a message. */
export interface SendMessage {
  type: "send_message";
  /** Which conversation. */
  conversationId: ConversationId;
  /** What it says. */
  content: MessageContent;
  /** An object of the application's own. */
  metadata?: Record<string, unknown>;
  /** Who may read it. */
  visibility?: Visibility;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Has read up to a place. */
export interface MarkSeen {
  type: "mark_seen";
  /** Which conversation. */
  conversationId: ConversationId;
  /** The place, in the reader's own numbering; past the head it means the head. */
  seq: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Has the conversation open. */
export interface ViewingStart {
  type: "viewing_start";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Has it open no longer. */
export interface ViewingStop {
  type: "viewing_stop";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** What an AI agent is doing. */
export interface AgentActivity {
  type: "agent_activity";
  /** Which conversation. */
  conversationId: ConversationId;
  /** A word for it; `done` ends it. */
  phase: string;
  /** Who sees it. */
  audience?: ActivityAudience;
  /** A text for people. */
  text?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** The connection is established and authenticated. */
export interface ConnectionEstablished {
  type: "connection_established";
  /** The connection's id. */
  connectionId: ConnectionId;
  /** The server's clock, in ms since 1970. */
  serverTime: number;
  /** Who the connection speaks for. */
  userId: PersonId;
  /** What kind of principal it is. */
  userType: UserType;
  /** How often the client sends a `ping`, in ms. */
  heartbeatInterval: number;
  /** What the connection may do. */
  limits: Limits;
  /** When the token's time is over. */
  expiresAt?: Timestamp;
  /** Told to visitors. */
  team?: Team;
  /** The token of a visitor that was made just now. */
  visitorToken?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Answers a `ping`. */
export interface Pong {
  type: "pong";
  /** The `id` of the `ping`. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Answers an `authenticate`. */
export interface Authenticated {
  type: "authenticated";
  /** When its time is over. */
  expiresAt: Timestamp;
  /** The `id` of the `authenticate`. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** The token's time is nearly over. */
export interface TokenExpiring {
  type: "token_expiring";
  /** When the present one's time is over. */
  expiresAt: Timestamp;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Live delivery is in place; the replay follows. */
export interface SubscriptionConfirmed {
  type: "subscription_confirmed";
  /** Which channel. */
  channel: Channel;
  /** The store's life; places of another one mean nothing. */
  epoch: string;
  /** The newest place. */
  head: number;
  /** Whether nothing is missing between `after` and `head`. */
  recovered: boolean;
  /** How many durable events follow. */
  replayed: number;
  /** Of a conversation: what AI agents are doing. */
  activity?: ActivityState[];
  /** Of a conversation: who is to answer; null for nobody. */
  assignedTeamMemberId?: PersonId | null;
  /** The `id` of the request. */
  id?: RequestId;
  /** Told to the team: who is online. */
  online?: OnlineState;
  /** Of a conversation: how far each has read. */
  seen?: SeenState[];
  /** Of a conversation: how it stands. */
  status?: ConversationStatus;
  /** Who is typing, oneself excepted. */
  typing?: TypingState[];
  /** Of a conversation, told to the team: who has it open, oneself excepted. */
  viewing?: ViewingState[];
  /** Of a conversation: whose it is. */
  visitorId?: PersonId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A subscription was refused. */
export interface SubscriptionError {
  type: "subscription_error";
  /** Why, for people. */
  error: string;
  /** Why, for programs. */
  code: ErrorCode | (string & {});
  /** Which channel. */
  channel: Channel;
  /** Where the request is wrong. */
  details?: ErrorDetails;
  /** The `id` of the request. */
  id?: RequestId;
  /** After how many ms it may be asked again. */
  retryAfter?: number;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A subscription has ended. */
export interface SubscriptionEnded {
  type: "subscription_ended";
  /** Which channel. */
  channel: Channel;
  /** The `id` of the request, if it was asked for. */
  id?: RequestId;
  /** `revoked` when access ended. */
  reason?: string;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A message is on stable storage. */
export interface MessageAck {
  type: "message_ack";
  /** The idempotency key: the `id` of the `send_message`, or one that the server made up. */
  id: RequestId;
  /** Where it was stored. */
  conversationId: ConversationId;
  /** The id that the server gave it. */
  messageId: MessageId;
  /** Its place, in the sender's numbering. */
  seq: number;
  /** When it was stored. */
  createdAt: Timestamp;
  /** Whether it had been stored before. */
  duplicate?: boolean;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A message. Durable. */
export interface NewMessage {
  type: "new_message";
  /** Where it was said. */
  conversationId: ConversationId;
  /** The id that the server gave it. */
  messageId: MessageId;
  /** What it says; null once deleted. */
  content: ReceivedContent | null;
  /** What kind of principal sent it. */
  senderType: UserType;
  /** Who sent it. */
  senderId: PersonId;
  /** When it was stored. */
  createdAt: Timestamp;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** Who may read it. */
  visibility: Visibility;
  /** Its place in the conversation, in the reader's numbering. */
  seq: number;
  /** The idempotency key under which it was sent. */
  clientMessageId?: RequestId;
  /** Whether it was deleted. */
  deleted?: boolean;
  /** An object of the sending application's own. */
  metadata?: Record<string, unknown>;
  /** Its place in the website; told to the team. */
  offset?: number;
  /** The sender's name, for people. */
  senderName?: string;
  /** When it was last edited or deleted. */
  updatedAt?: Timestamp;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A message was edited or deleted. Durable. */
export interface MessageUpdated {
  type: "message_updated";
  /** Where. */
  conversationId: ConversationId;
  /** Which message. */
  messageId: MessageId;
  /** What it says now; null once deleted. */
  content: ReceivedContent | null;
  /** When it was edited or deleted. */
  updatedAt: Timestamp;
  /** Whether it was deleted. */
  deleted: boolean;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** The place of this event in the conversation, in the reader's numbering. */
  seq: number;
  /** Its place in the website; told to the team. */
  offset?: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A conversation began. Durable. */
export interface ConversationCreated {
  type: "conversation_created";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Whose it is. */
  visitorId: PersonId;
  /** When it began. */
  createdAt: Timestamp;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** Its place in the conversation: the first. */
  seq: number;
  /** Its place in the website; told to the team. */
  offset?: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A visitor became a known person. */
export interface VisitorIdentified {
  type: "visitor_identified";
  /** Who the visitor is now. */
  visitorId: PersonId;
  /** What is known of the person. */
  identity: Identity;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** The conversations that are now this visitor's. */
  conversationIds?: ConversationId[];
  /** Who the visitor was, when the person had been known already. */
  previousVisitorId?: PersonId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** The first of the team came. */
export interface TeamOnline {
  type: "team_online";
  /** Of which website. */
  websiteId: WebsiteId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** The last of the team left. */
export interface TeamOffline {
  type: "team_offline";
  /** Of which website. */
  websiteId: WebsiteId;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A conversation's status changed. Durable. */
export interface ConversationStatusChanged {
  type: "conversation_status_changed";
  /** Which conversation. */
  conversationId: ConversationId;
  /** How it stands now. */
  status: ConversationStatus;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** Its place in the conversation, in the reader's numbering. */
  seq: number;
  /** Who changed it; told to the team. */
  changedBy?: PersonId;
  /** Its place in the website; told to the team. */
  offset?: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A conversation's assignee changed. Durable. */
export interface ConversationAssigned {
  type: "conversation_assigned";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Who is to answer now; null for nobody. */
  assignedTeamMemberId: PersonId | null;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** Its place in the conversation, in the reader's numbering. */
  seq: number;
  /** Who changed it; told to the team. */
  changedBy?: PersonId;
  /** Its place in the website; told to the team. */
  offset?: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Somebody has read up to a place. */
export interface ConversationSeen {
  type: "conversation_seen";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Who. */
  userId: PersonId;
  /** What kind of principal. */
  userType: UserType;
  /** The place, in the numbering of the one who is told. */
  lastSeenSeq: number;
  /** When. */
  seenAt: Timestamp;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  userName?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Somebody begins or stops typing. */
export interface TypingIndicator {
  type: "typing_indicator";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Who. */
  userId: PersonId;
  /** What kind of principal. */
  userType: UserType;
  /** Begins or stops. */
  isTyping: boolean;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  userName?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Somebody opened or left a conversation. */
export interface ViewingIndicator {
  type: "viewing_indicator";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Who. */
  userId: PersonId;
  /** Opened or left. */
  isViewing: boolean;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  userName?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** The text that somebody has typed so far. */
export interface TypingProgressEvent {
  type: "typing_progress";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Who. */
  userId: PersonId;
  /** What kind of principal. */
  userType: UserType;
  /** The whole text. */
  content: string;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** A picture. */
  avatarUrl?: string;
  /** The name, for people. */
  userName?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** What an AI agent is doing. */
export interface AgentActivityEvent {
  type: "agent_activity";
  /** Which conversation. */
  conversationId: ConversationId;
  /** Which agent. */
  userId: PersonId;
  /** A word for it; `done` ends it. */
  phase: string;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** A picture. */
  avatarUrl?: string;
  /** A text for people. */
  text?: string;
  /** The name, for people. */
  userName?: string;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A visitor came. */
export interface VisitorOnline {
  type: "visitor_online";
  /** The visitor's latest conversation that is not closed. */
  conversationId: ConversationId;
  /** All such, newest first, at most 20. */
  conversationIds: ConversationId[];
  /** Who. */
  visitorId: PersonId;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** When the visitor was last here. */
  lastSeenAt?: Timestamp;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** A visitor left. */
export interface VisitorOffline {
  type: "visitor_offline";
  /** The visitor's latest conversation that is not closed. */
  conversationId: ConversationId;
  /** All such, newest first, at most 20. */
  conversationIds: ConversationId[];
  /** Who. */
  visitorId: PersonId;
  /** On which website. */
  websiteId: WebsiteId;
  /** Of which organization. */
  organizationId: OrganizationId;
  /** When the visitor was last here. */
  lastSeenAt?: Timestamp;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** Something failed. */
export interface ErrorMessage {
  type: "error";
  /** What failed, for people. */
  error: string;
  /** What failed, for programs. */
  code: ErrorCode | (string & {});
  /** More about it. */
  details?: ErrorDetails;
  /** The `id` of the message that it answers. */
  id?: RequestId;
  /** After how many ms it may be tried again. */
  retryAfter?: number;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** The server asks the client to come back elsewhere or later. */
export interface Reconnect {
  type: "reconnect";
  /** Why, such as `draining`. */
  reason: string;
  /** After how many ms. */
  retryAfter?: number;
  /** Names the message; an answer has that of what it answers. */
  id?: RequestId;
  /** When it was sent, in ms since 1970. */
  timestamp?: number;
}

/** What a client says. */
export type ClientMessages =
  | Ping
  | Authenticate
  | SubscribeConversation
  | UnsubscribeConversation
  | SubscribeWebsite
  | UnsubscribeWebsite
  | TypingStart
  | TypingStop
  | TypingProgress
  | SendMessage
  | MarkSeen
  | ViewingStart
  | ViewingStop
  | AgentActivity;

/** What the server says. */
export type ServerMessages =
  | ConnectionEstablished
  | Pong
  | Authenticated
  | TokenExpiring
  | SubscriptionConfirmed
  | SubscriptionError
  | SubscriptionEnded
  | MessageAck
  | NewMessage
  | MessageUpdated
  | ConversationCreated
  | VisitorIdentified
  | TeamOnline
  | TeamOffline
  | ConversationStatusChanged
  | ConversationAssigned
  | ConversationSeen
  | TypingIndicator
  | ViewingIndicator
  | TypingProgressEvent
  | AgentActivityEvent
  | VisitorOnline
  | VisitorOffline
  | ErrorMessage
  | Reconnect;

/** Why a connection was closed: 44xx, 1002, 1003, 1007 and 1009 mean stop. */
export const CLOSE_CODES = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupported: 1003,
  invalidUtf8: 1007,
  tooLarge: 1009,
  timedOut: 4008,
  slowReader: 4009,
  disconnected: 4010,
  rateLimited: 4029,
  abuse: 4400,
  unauthorized: 4401,
  forbidden: 4403,
  internal: 4500,
} as const;

/** One of {@link CLOSE_CODES}. */
export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];

/** The longest `text` of a message, in characters. */
export const MAX_TEXT_LENGTH = 16000;

/** The longest `html` of a message, in characters. */
export const MAX_HTML_LENGTH = 32000;

/** The longest preview of a typed text, in characters. */
export const MAX_TYPING_LENGTH = 2000;

/** The most attachments of a message. */
export const MAX_ATTACHMENTS = 10;

/** The longest `url` of an attachment, in characters. */
export const MAX_URL_LENGTH = 4096;

/** The most bytes of a `metadata` object as JSON. */
export const MAX_METADATA_BYTES = 8192;

/** The deepest nesting of a `metadata` object. */
export const MAX_METADATA_DEPTH = 8;

/** The longest `phase` of an activity, in characters. */
export const MAX_PHASE_LENGTH = 64;

/** The longest `text` of an activity, in characters. */
export const MAX_ACTIVITY_LENGTH = 2000;

/** The longest id, in characters. */
export const MAX_ID_LENGTH = 128;

/** The longest `id` of a message, in characters. */
export const MAX_KEY_LENGTH = 64;

/** The greatest integer on the wire. */
export const MAX_INTEGER = 9007199254740991;
