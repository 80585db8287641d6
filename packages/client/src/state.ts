/** Where a client stands, as an application sees it. */

import type { ServerMessages, Team, UserType } from "@cossistant/protocol/types";

import type { SubscriptionState } from "./engine/types.js";

/** The states of a WebSocket, with the numbers of the browser's own. */
export enum WebSocketState {
  /** Getting a token, dialling, or waiting for the server to take the connection. */
  CONNECTING = 0,
  /** Established and authenticated. */
  OPEN = 1,
  /** Closing. */
  CLOSING = 2,
  /** Not connected. */
  CLOSED = 3,
}

/** Where the connection stands, with what is true only there. */
export type ConnectionState =
  /** Not connected and not trying. */
  | { readonly type: "disconnected" }
  /** On the way. */
  | {
      readonly type: "connecting";
      /** The number that this attempt had while it was waited for; none of one that nothing failed before. */
      readonly attempt?: number;
    }
  /** Established and authenticated. */
  | { readonly type: "connected" }
  /** Waiting before the next attempt. */
  | {
      readonly type: "waiting";
      /** The number of that attempt. */
      readonly attempt: number;
      /** When it begins, in ms since 1970. */
      readonly retryAt: number;
    }
  /** Not trying any more; `connect()` begins anew. */
  | {
      readonly type: "stopped";
      /** Why: a close code that means stop, no token, or no attempts left. */
      readonly reason: "close" | "token_denied" | "exhausted";
      /** The close code, if that was why. */
      readonly code?: number;
    };

/** Who this client is to the server. */
export interface Identity {
  /** The id. */
  readonly userId: string;
  /** What kind of principal. */
  readonly userType: UserType;
}

/** Everything about a client that changes seldom. Frozen; equal values keep their identity. */
export interface ClientSnapshot {
  /** As of a WebSocket. */
  readonly readyState: WebSocketState;
  /** Whether the connection is established and authenticated. */
  readonly isConnected: boolean;
  /** Whether one is on the way, or waited for. */
  readonly isConnecting: boolean;
  /** Where the connection stands. */
  readonly state: ConnectionState;
  /** The confirmed channels, in the order in which they were wished for. */
  readonly subscriptions: readonly string[];
  /** Every wish, by channel. */
  readonly subscriptionStates: Readonly<Record<string, SubscriptionState>>;
  /** How many messages are neither acknowledged nor failed. */
  readonly queuedMessageCount: number;
  /** Whether the browser says that there is no network. Only a hint. */
  readonly isOffline: boolean;
  /** Who the server says that we are; kept while reconnecting. */
  readonly identity: Identity | undefined;
  /** The team of the website, told to visitors. */
  readonly team: Team | undefined;
}

/** Counters and the like, which change with every frame. Frozen; replaced at most four times a second. */
export interface WebSocketStats {
  /** When the present or last connection was established, in ms since 1970. */
  readonly connectTime?: number;
  /** Frames sent. */
  readonly messagesSent: number;
  /** Frames received, valid or not. */
  readonly messagesReceived: number;
  /** Attempts to reconnect, over the client's life. */
  readonly reconnectAttempts: number;
  /** What last went wrong, for people. */
  readonly lastError?: string;
  /** When that was, in ms since 1970. */
  readonly lastErrorTime?: number;
  /** The newest round trip, in ms. */
  readonly latencyMs?: number;
  /** Bytes of text sent. */
  readonly bytesSent: number;
  /** Bytes of text received. */
  readonly bytesReceived: number;
}

/** A message of the server by its `type`. */
export type ServerMessageOf<Type extends ServerMessages["type"]> = Extract<ServerMessages, { type: Type }>;

/** The state of a client that never connected; also what a server renders. */
export const DISCONNECTED: ClientSnapshot = Object.freeze({
  readyState: 3,
  isConnected: false,
  isConnecting: false,
  state: Object.freeze({ type: "disconnected" }),
  subscriptions: Object.freeze([]),
  subscriptionStates: Object.freeze({}),
  queuedMessageCount: 0,
  isOffline: false,
  identity: undefined,
  team: undefined,
});

/** The counters of a client that never connected. */
export const NO_STATS: WebSocketStats = Object.freeze({
  messagesSent: 0,
  messagesReceived: 0,
  reconnectAttempts: 0,
  bytesSent: 0,
  bytesReceived: 0,
});
