/** What an application may listen to. */

import type {
  AgentActivityEvent,
  ConversationAssigned,
  ConversationCreated,
  ConversationSeen,
  ConversationStatusChanged,
  ErrorMessage,
  MessageAck,
  MessageUpdated,
  NewMessage,
  ServerMessages,
  SubscriptionConfirmed,
  SubscriptionError,
  TeamOffline,
  TeamOnline,
  TypingIndicator,
  TypingProgressEvent,
  ViewingIndicator,
  VisitorIdentified,
  VisitorOffline,
  VisitorOnline,
} from "@cossistant/protocol/types";

import type { SendError } from "./errors.js";
import type { ConnectionState } from "./state.js";

/** A message of a type that this version does not know. */
export interface UnknownMessage {
  /** Its type. */
  type: string;
  /** Whatever else it says. */
  [field: string]: unknown;
}

/** A message that failed for good. */
export interface FailedMessage {
  /** Its id, as `clientMessageId` of the conversation's messages. */
  id: string;
  /** Where it was sent. */
  conversationId: string;
  /** Why. */
  error: SendError;
}

/**
 * The handlers of an application. Those of the newest render are called, in the order in which things happen; one that
 * throws disturbs neither the others nor the connection, and its error is reported as unhandled.
 *
 * `onMessage` is called before the handler of the message's own type.
 */
export interface WebSocketEventHandlers {
  /** The connection is established and authenticated. */
  onOpen?: (event: Event) => void;
  /** A socket that was open is gone; `event.code` and `event.reason` say why. */
  onClose?: (event: CloseEvent) => void;
  /** A socket failed, or could not be made. */
  onError?: (event: Event) => void;
  /** Any message of the server, those of an unknown `type` too. */
  onMessage?: (message: ServerMessages) => void;
  /** A message of a conversation. */
  onNewMessage?: (message: NewMessage) => void;
  /** A message was edited or deleted. */
  onMessageUpdated?: (message: MessageUpdated) => void;
  /** A conversation began. */
  onConversationCreated?: (message: ConversationCreated) => void;
  /** A conversation has another status. */
  onConversationStatusChange?: (message: ConversationStatusChanged) => void;
  /** A conversation was assigned, or nobody has it any more. */
  onConversationAssigned?: (message: ConversationAssigned) => void;
  /** Somebody has read up to a place. */
  onConversationSeen?: (message: ConversationSeen) => void;
  /** Somebody began or stopped typing. */
  onTypingIndicator?: (message: TypingIndicator) => void;
  /** What somebody has typed so far. */
  onTypingProgress?: (message: TypingProgressEvent) => void;
  /** What an AI agent is doing. */
  onAgentActivity?: (message: AgentActivityEvent) => void;
  /** Who has a conversation open. */
  onViewing?: (message: ViewingIndicator) => void;
  /** A visitor came or left. */
  onVisitorPresence?: (message: VisitorOnline | VisitorOffline) => void;
  /** A visitor became a known person. */
  onVisitorIdentified?: (message: VisitorIdentified) => void;
  /** The first of the team came, or the last one left; told to visitors. */
  onTeamPresence?: (message: TeamOnline | TeamOffline) => void;
  /** A message is stored. */
  onMessageAck?: (message: MessageAck) => void;
  /** A message failed for good. */
  onMessageFailed?: (message: FailedMessage) => void;
  /** A subscription is live. */
  onSubscriptionConfirmed?: (message: SubscriptionConfirmed) => void;
  /** A subscription was refused. */
  onSubscriptionError?: (message: SubscriptionError) => void;
  /** The server answered with an error, or told of one. */
  onServerError?: (message: ErrorMessage) => void;
  /** Events of this channel are missing and will not come: load it afresh. */
  onResync?: (channel: string) => void;
  /** The connection is in another state. */
  onStateChange?: (state: ConnectionState) => void;
  /** The visitor's token was refused and dropped: a new visitor begins. */
  onVisitorChanged?: () => void;
  /** Attempt `n` to reconnect begins. */
  onReconnectAttempt?: (attempt: number) => void;
  /** A lost connection is established again. */
  onReconnectSuccess?: () => void;
  /** The last allowed attempt failed. */
  onReconnectFail?: () => void;
}
