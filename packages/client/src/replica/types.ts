/** What screens show: conversations, messages and people, kept up to date by events. */

import type {
  ActivityState,
  ConversationStatus,
  MessageAck,
  MessageContent,
  ReceivedContent,
  SeenState,
  ServerMessages,
  TypingState,
  UserType,
  ViewingState,
  Visibility,
} from "@cossistant/protocol/types";

import type { SendOptions } from "../client.js";
import type { SubscriptionState } from "../engine/types.js";
import type { RequestError, SendError } from "../errors.js";
import type { Identity } from "../state.js";
import type { createStore } from "../store.js";

/** How far a message of one's own has come: waiting, on its way, stored, or failed for good. */
export type DeliveryState = "queued" | "sending" | "sent" | "failed";

/** A message as a screen shows it. Frozen; the same object until it changes. */
export interface ConversationMessage {
  /** Stable from the first showing on, also when the server's id becomes known. */
  readonly key: string;
  /** The server's id, once stored. */
  readonly messageId?: string;
  /** The id that its sender's client gave it. */
  readonly clientMessageId?: string;
  /** Which conversation. */
  readonly conversationId: string;
  /** What it says; null once deleted. */
  readonly content: ReceivedContent | MessageContent | null;
  /** What kind of principal sent it. */
  readonly senderType: UserType;
  /** Who sent it. */
  readonly senderId: string;
  /** The sender's name, for people. */
  readonly senderName?: string;
  /** When it was stored, or until then when it was queued: RFC 3339. */
  readonly createdAt: string;
  /** Who may read it. */
  readonly visibility: Visibility;
  /** An object of the application's own. */
  readonly metadata?: Record<string, unknown>;
  /** Its place, once stored. */
  readonly seq?: number;
  /** How far it has come; those of others are `sent`. */
  readonly delivery: DeliveryState;
  /** Why it failed. */
  readonly error?: SendError;
  /** Whether it was deleted. */
  readonly isDeleted: boolean;
  /** When it was last edited: RFC 3339. */
  readonly updatedAt?: string;
  /** Whether the client's own principal sent it. */
  readonly isOwn: boolean;
}

/** Somebody who types, with the draft if it is told. */
export interface Typist extends TypingState {
  /** The draft so far. */
  readonly text?: string;
}

/** A conversation as a screen shows it. Frozen; parts that did not change keep their identity. */
export interface ConversationSnapshot {
  /** Which. */
  readonly conversationId: string;
  /** Where the subscription stands; undefined while nobody holds it. */
  readonly subscription: SubscriptionState | undefined;
  /** Whether the newest messages are being loaded, or will be: what is shown meanwhile is what was shown before. */
  readonly isLoading: boolean;
  /** Why the newest messages could not be loaded; gone after the next success. */
  readonly error: RequestError | undefined;
  /** By rising `seq`; those not yet stored at the end, in the order of sending. */
  readonly messages: readonly ConversationMessage[];
  /** Whether there are older ones to load. */
  readonly hasMore: boolean;
  /** Whether older ones are being loaded. */
  readonly isLoadingMore: boolean;
  /** Whose conversation it is, once known. */
  readonly visitorId: string | undefined;
  /** How it stands, once known. */
  readonly status: ConversationStatus | undefined;
  /** Who has it; null when nobody does, undefined until known. */
  readonly assignedTeamMemberId: string | null | undefined;
  /** How far each person has read. */
  readonly seen: readonly SeenState[];
  /** Who types now. */
  readonly typing: readonly Typist[];
  /** Which users have it open; told to the team. */
  readonly viewing: readonly ViewingState[];
  /** What AI agents are doing. */
  readonly activity: readonly ActivityState[];
  /** Whether the visitor is online; told to the team, undefined until known. */
  readonly isVisitorOnline: boolean | undefined;
  /** Messages of others past one's own mark, among those that are loaded; 0 until the mark is known. */
  readonly unreadCount: number;
}

/**
 * The replica of one conversation. Functions need no `this`.
 *
 * It keeps the newest 500 stored messages, and as many more as `loadMore` has loaded; what new messages push out can be
 * loaded again. While nobody listens it keeps one page, to be shown at once when somebody comes back. Messages that were
 * not sent are kept until they are stored, sent again or discarded: of failed ones the newest 200 of a client.
 */
export interface ConversationStore {
  /** Calls back after the snapshot changed. While anybody listens, the conversation is subscribed to and loaded. */
  subscribe(this: void, listener: () => void): () => void;
  /** The present snapshot: the same object until something in it changes. */
  getSnapshot(this: void): ConversationSnapshot;
  /** Sends a message, which is shown at once. See `sendChatMessage`. */
  send(this: void, content: MessageContent | string, options?: SendOptions): Promise<MessageAck>;
  /** Sends a failed message again, with its id where that is safe. Unknown keys change nothing. */
  retry(this: void, key: string): void;
  /** Takes a failed message away. */
  discard(this: void, key: string): void;
  /** The draft is now this text; empty ends the typing. */
  setTyping(this: void, text: string): void;
  /** Ends the typing. */
  stopTyping(this: void): void;
  /** Has read up to this place; without one, all that is there. Never goes back. */
  markSeen(this: void, seq?: number): void;
  /** Has the conversation open, or no longer; for users. Told again after a reconnect. */
  setViewing(this: void, isViewing: boolean): void;
  /**
   * Loads older messages. Resolves when that is done; a failure is in the snapshot, and tried again by and by. Called
   * after a failure it tries at once, the newest page too.
   */
  loadMore(this: void): Promise<void>;
  /** Edits a message of one's own. Rejects with a `RequestError`. */
  edit(this: void, messageId: string, content: MessageContent): Promise<void>;
  /** Deletes a message. Rejects with a `RequestError`. */
  remove(this: void, messageId: string): Promise<void>;
  /** Changes status or assignee; for the team. Rejects with a `RequestError`. */
  update(
    this: void,
    changes: { status?: ConversationStatus; assignedTeamMemberId?: string | null; ifAssignedTo?: string | null },
  ): Promise<void>;
}

/** A conversation in the inbox's list. Frozen; the same object until it changes. */
export interface InboxConversation {
  /** Which. */
  readonly conversationId: string;
  /** Of which website. */
  readonly websiteId: string;
  /** Whose. */
  readonly visitorId: string;
  /** Who that is, if known. */
  readonly visitor?: { readonly externalId?: string; readonly email?: string; readonly name?: string };
  /** How it stands. */
  readonly status: ConversationStatus;
  /** Who has it. */
  readonly assignedTeamMemberId: string | null;
  /** When it began: RFC 3339. */
  readonly createdAt: string;
  /** When anything last happened in it: RFC 3339. */
  readonly lastActivityAt: string;
  /** The newest message. */
  readonly lastMessage: ConversationMessage | undefined;
  /** Messages of others past one's own mark. */
  readonly unreadCount: number;
  /** Whether the visitor is online. */
  readonly isOnline: boolean;
  /** Who types in it now, with the visitor's draft if it is told. */
  readonly typing: readonly Typist[];
}

/** Which conversations a list shows. */
export interface InboxFilter {
  /** Only those that stand like this. */
  readonly status?: ConversationStatus;
  /** Only those of `me`, of `none`, or of this person. */
  readonly assignee?: string;
  /** Only those with these words. */
  readonly search?: string;
}

/** A website's conversations as a screen shows them. Frozen. */
export interface InboxSnapshot {
  /** Which website. */
  readonly websiteId: string;
  /** Where the subscription stands; undefined while nobody holds it. */
  readonly subscription: SubscriptionState | undefined;
  /** What the list is filtered by. */
  readonly filter: InboxFilter;
  /** Newest activity first. */
  readonly conversations: readonly InboxConversation[];
  /** Whether the first page is being loaded. */
  readonly isLoading: boolean;
  /** Whether a further page is being loaded. */
  readonly isLoadingMore: boolean;
  /** Whether there are further pages. */
  readonly hasMore: boolean;
  /** Why a page could not be loaded; gone after the next success. */
  readonly error: RequestError | undefined;
  /** Unread messages of all loaded conversations. */
  readonly unreadCount: number;
}

/**
 * The replica of a website's conversations. Functions need no `this`.
 *
 * After a reconnect what is shown is loaded anew, at most 1,000 conversations; further ones can be loaded again. A search
 * is the server's: conversations that come to match it later are found by searching again.
 */
export interface InboxStore {
  /** Calls back after the snapshot changed. While anybody listens, the website is subscribed to and loaded. */
  subscribe(this: void, listener: () => void): () => void;
  /** The present snapshot: the same object until something in it changes. */
  getSnapshot(this: void): InboxSnapshot;
  /** Shows other conversations. Those of before are shown until these are loaded; of several filters the newest wins. */
  setFilter(this: void, filter: InboxFilter): void;
  /** Loads a further page. Resolves when that is done; a failure is as with a conversation's `loadMore`. */
  loadMore(this: void): Promise<void>;
}

/** How far a message of this client has come. */
export type DeliveryChange =
  | { readonly type: "queued" | "sending"; readonly message: OutgoingMessage }
  | { readonly type: "sent"; readonly message: OutgoingMessage; readonly ack: MessageAck }
  | { readonly type: "failed"; readonly message: OutgoingMessage; readonly error: SendError };

/** A message of this client, from its sending to its end. */
export interface OutgoingMessage {
  /** The idempotency key. */
  readonly id: string;
  /** Where it goes. */
  readonly conversationId: string;
  /** What it says. */
  readonly content: MessageContent;
  /** An object of the application's own. */
  readonly metadata?: Record<string, unknown>;
  /** Who may read it. */
  readonly visibility?: Visibility;
  /** When it was first queued, in ms since 1970. */
  readonly queuedAt: number;
}

/** What a client tells its replica: all that screens depend on. */
export type Fact =
  /** The server said something, at this time in ms since 1970. */
  | { readonly type: "message"; readonly message: ServerMessages; readonly at: number }
  /** A message of this client has come further, or was restored from an earlier page. */
  | { readonly type: "delivery"; readonly change: DeliveryChange }
  /** A subscription stands elsewhere. */
  | { readonly type: "subscription"; readonly channel: string; readonly state: SubscriptionState }
  /** A channel has a hole that will not be filled. */
  | { readonly type: "resync"; readonly channel: string }
  /** The connection is established, or gone. */
  | { readonly type: "connection"; readonly isConnected: boolean };

/** What the replica needs of the client. */
export interface ReplicaSource {
  /** Listens to facts, in the order in which they happen, before any handler of the application. */
  onFact(listener: (fact: Fact) => void): () => void;
  /** Who this client is, once told. */
  identity(): Identity | undefined;
  /** The messages that are not answered yet, in order, and whether each is on its way. */
  outgoing(): readonly { readonly message: OutgoingMessage; readonly isSending: boolean }[];
  /** Where a subscription stands. */
  subscriptionState(channel: string): SubscriptionState | undefined;
  /** Wishes for a channel until the returned function is called. */
  hold(channel: string): () => void;
  /** Sends a message, told by deliveries. */
  send(conversationId: string, content: MessageContent | string, options: SendOptions): Promise<MessageAck>;
  /** Sends once if connected: viewing, seen, activity. Whether it went. */
  pass(message: { type: "mark_seen" | "viewing_start" | "viewing_stop"; conversationId: string; seq?: number }): boolean;
  /** The draft is now this text; empty ends the typing. */
  typing(conversationId: string, text: string): void;
  /** Ends the typing. */
  stopTyping(conversationId: string): void;
  /** An HTTP request under `/v1`. Rejects with a `RequestError`. */
  request<Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer>;
  /** A new idempotency key. */
  createId(): string;
  /** Makes a store; handed over, because what loads later shares no code with what is there at once. */
  readonly createStore: typeof createStore;
  /** The time, in ms since 1970. */
  now(): number;
}
