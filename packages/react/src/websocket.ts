"use client";

/** Live conversations in React: one provider, and hooks that show what is so now. */

export {
  useAdvancedWebSocket,
  useWebSocket,
  useWebSocketDirect,
  WebSocketProvider,
  type UseWebSocketDirectOptions,
  type WebSocketProviderProps,
} from "./provider.js";
export type { UseAdvancedWebSocketReturn } from "./view.js";
export type { WebSocketReadable } from "./reader.js";
export {
  useConnection,
  useWebSocketEvent,
  useWebSocketSelector,
  type UseConnectionReturn,
} from "./select.js";
export { useConversation, useInbox, type UseConversationReturn, type UseInboxReturn } from "./conversation.js";
export { WebSocketDevtools } from "./devtools/lazy.js";
export type { WebSocketDevtoolsProps } from "./devtools/index.js";

export { PingError, RequestError, SendError, TokenDeniedError, WebSocketState } from "@cossistant/client";
export type {
  ClientSnapshot,
  ConnectionState,
  ConversationMessage,
  ConversationSnapshot,
  DeliveryState,
  FailedMessage,
  Identity as ConnectionIdentity,
  InboxConversation,
  InboxFilter,
  InboxSnapshot,
  QueuedMessage,
  SendErrorCode,
  SendOptions,
  ServerMessageOf,
  TokenAnswer,
  Typist,
  UnknownMessage,
  VisitorTokenStore,
  WebSocketConfig,
  WebSocketEventHandlers,
  WebSocketStats,
} from "@cossistant/client";
export type { SubscriptionState } from "@cossistant/client/engine";
export type * from "@cossistant/protocol/types";
