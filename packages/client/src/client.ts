/** The client as applications and the React package see it. */

import type {
  ClientMessages,
  MessageAck,
  MessageContent,
  ServerMessages,
  Visibility,
} from "@cossistant/protocol/types";

import type { WebSocketConfig } from "./config.js";
import type { WebSocketEventHandlers } from "./handlers.js";
import type { ConversationStore, InboxStore } from "./replica/types.js";
import type { ClientSnapshot, ServerMessageOf, WebSocketStats } from "./state.js";

/** How a message is to be sent. */
export interface SendOptions {
  /** An object of the application's own. */
  metadata?: Record<string, unknown>;
  /** A note for the team is `internal`. */
  visibility?: Visibility;
  /** The idempotency key; made up when there is none. */
  id?: string;
}

/** A message that the server has not answered yet. */
export interface QueuedMessage {
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
  /** Whether it is on its way on the present connection. */
  readonly isSending: boolean;
}

/**
 * What can be asked of a client. Every function may be called at any time, keeps its identity for the client's life and
 * needs no `this`. What is called before the engine is loaded is kept, in order.
 */
export interface ClientActions {
  /** Connects, and stays connected. Ends a wait, and begins anew after a stop. */
  connect(this: void): void;
  /** Closes, and stays closed until `connect()`. Wishes and queued messages are kept. */
  disconnect(this: void): void;
  /**
   * Sends a message as it is written. A `send_message` is queued like one of `sendChatMessage`; subscriptions and typing
   * go the way of their functions; all else is sent once if connected, and otherwise dropped.
   */
  sendMessage(this: void, message: ClientMessages): void;
  /**
   * Sends a chat message. Resolves when it is stored, rejects with a `SendError` when it failed for good; may be
   * ignored. Messages of a conversation keep their order.
   */
  sendChatMessage(
    this: void,
    conversationId: string,
    content: MessageContent,
    metadata?: Record<string, unknown>,
    options?: Omit<SendOptions, "metadata">,
  ): Promise<MessageAck>;
  /** Somebody began to type. */
  startTyping(this: void, conversationId: string): void;
  /** Somebody stopped typing, or left the field. */
  stopTyping(this: void, conversationId: string): void;
  /** The draft is now this text. Throttled; the last text is never lost. */
  sendTypingProgress(this: void, conversationId: string, content: string): void;
  /** Measures the link: resolves with the round trip in ms, rejects with a `PingError`; may be ignored. */
  ping(this: void): Promise<number>;
  /**
   * Turns the anonymous visitor into the person of this token, which the application's own server signed, keeps the new
   * token and reconnects. Rejects with a `RequestError`.
   */
  identify(this: void, identityToken: string): Promise<void>;
  /** The socket of this tab; null when there is none, or when another tab has it. */
  getWebSocket(this: void): WebSocket | null;
}

/** A holder of subscriptions: one hook instance, or one part of a program. */
export interface ClientHandle {
  /** Wishes for a conversation. A second call changes nothing, except that a refused one is asked for again. */
  subscribeToConversation(this: void, conversationId: string): void;
  /** Wishes for a website; for the team only. */
  subscribeToWebsite(this: void, websiteId: string): void;
  /** Lets go of a conversation; the wish ends with its last holder. */
  unsubscribeFromConversation(this: void, conversationId: string): void;
  /** Lets go of a website. */
  unsubscribeFromWebsite(this: void, websiteId: string): void;
  /** Lets go of everything. The handle may be used again. */
  release(this: void): void;
}

/** The client. Without React it is used as it is; the hooks of the React package are thin readers of it. */
export interface Client extends ClientActions, ClientHandle {
  /** Calls back after the snapshot changed, at most once a microtask. */
  subscribe(this: void, listener: () => void): () => void;
  /** The present snapshot: the same object until something in it changes. */
  getSnapshot(this: void): ClientSnapshot;
  /** Calls back after the counters changed, at most four times a second. */
  subscribeStats(this: void, listener: () => void): () => void;
  /** The present counters: the same object until one of them changes. */
  getStats(this: void): WebSocketStats;
  /**
   * Keeps the client connected while somebody retains it. The returned release may be called twice; the last one closes
   * the socket after `RELEASE_LINGER` ms, unless somebody retains it again before.
   */
  retain(this: void): () => void;
  /** Takes choices that do not decide where to connect; see `WebSocketConfig`. */
  configure(this: void, config: WebSocketConfig): void;
  /** A holder of its own. */
  createHandle(this: void): ClientHandle;
  /** Adds a set of handlers, read anew for each event. Returns what removes it. */
  addHandlers(this: void, current: () => WebSocketEventHandlers): () => void;
  /** Listens to messages of one type. Returns what ends it. */
  on<Type extends ServerMessages["type"]>(
    this: void,
    type: Type,
    listener: (message: ServerMessageOf<Type>) => void,
  ): () => void;
  /** The messages that are not answered yet, in order. */
  getQueuedMessages(this: void): readonly QueuedMessage[];
  /** The replica of a conversation; the same object for the same id while anybody uses it. */
  conversation(this: void, conversationId: string): ConversationStore;
  /** The replica of a website's conversations; the same object for the same id while anybody uses it. */
  inbox(this: void, websiteId: string): InboxStore;
  /** An HTTP request under `/v1` with the credentials of the client. Rejects with a `RequestError`. */
  request<Answer>(this: void, method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer>;
  /** Disconnects for good, fails what is queued in memory, and frees the engine. */
  destroy(this: void): void;
}

/** How long a released client stays connected, in ms: long enough for a route change or a hot reload. */
export const RELEASE_LINGER = 250;
