/**
 * What the engine takes and gives.
 *
 * The engine is a pure machine: it opens no socket and reads no clock. A driver hands in each thing that
 * happens, with the time, and does what the outputs say, in order. All policy is the engine's.
 */

import type { ServerMessages } from "@cossistant/protocol/types";

/** What one subscribes to: `conversation:ID` or `website:ID`. Anything else is refused by a `TypeError`. */
export type Channel = string;

/** The choices of an application that the engine needs to know. Times are in ms. */
export interface EngineConfig {
  /** Whether a lost connection is dialled again. */
  autoReconnect: boolean;
  /** The delay before the first attempt. */
  reconnectDelay: number;
  /** No delay of the client's own making is longer. */
  maxReconnectDelay: number;
  /** By how much each delay is longer than the one before; below 1 counts as 1. */
  reconnectDelayMultiplier: number;
  /** After this many attempts in a row the client gives up; `Infinity` means never. */
  maxReconnectAttempts: number;
  /** The share of a delay that is random, from 0 to 1. */
  reconnectJitter: number;
  /** From dialling to `connection_established`, and for one answer of the token source. */
  connectTimeout: number;
  /** Whether messages wait for a connection. */
  enableMessageQueue: boolean;
  /** How many messages may be unanswered. */
  maxQueueSize: number;
  /** A message that was not acknowledged within this time fails. */
  maxQueueAge: number;
  /** The longest time between two pings; the server may ask for a shorter one. */
  heartbeatInterval: number;
  /** How long an answer may take before the link is probed and the request repeated. */
  requestTimeout: number;
  /** The shortest time between two `typing_progress` of a conversation. */
  typingProgressThrottle: number;
  /** Whether the driver can answer `requestToken`. */
  hasTokenSource: boolean;
}

/**
 * What a token source said: `ready` when the driver holds what it needs to dial (or knows that nothing is
 * needed), `failed` when none could be had this time, `denied` when none will ever be had.
 */
export type TokenOutcome = "ready" | "failed" | "denied";

/**
 * A server message: one that the validators accepted, or any object whose `type` nobody knows, which then
 * reaches the application and changes nothing.
 */
export type InboundMessage = ServerMessages | { readonly type: string };

/**
 * One thing that happened. Inputs about a socket name its `generation`; one of a generation that was closed
 * or replaced changes nothing, so a driver need not filter.
 */
export type EngineInput =
  | {
      type:
        | "connect"
        | "disconnect"
        /** Time passed. Due when `pollTimeout` says; earlier and later are harmless. */
        | "tick"
        | "online"
        | "offline"
        | "visible"
        | "hidden"
        | "pageHide"
        | "pageShow";
    }
  | { type: "configure"; config: EngineConfig }
  /** The answer to `requestToken`, or to the request that a renewal made. */
  | { type: "token"; request: number; outcome: TokenOutcome }
  /** `invalid`: a frame came that is no valid message. */
  | { type: "opened" | "dialFailed" | "invalid"; generation: number }
  /** `code` is 1006 when there was none. */
  | { type: "closed"; generation: number; code: number; reason: string }
  | { type: "inbound"; generation: number; message: InboundMessage }
  /** `holder` is any number (a 32-bit unsigned integer) that the driver gives each hook or handle. */
  | { type: "subscribe" | "unsubscribe"; channel: Channel; holder: number }
  /**
   * Send a message; it ends in `messageAcked` or `messageFailed`, once. The driver keeps what is sent under
   * its `id` until then. `age` is how long ago it was first queued, in ms: more than 0 for a stored one.
   */
  | { type: "send"; id: string; conversationId: string; age: number }
  /**
   * Send once if connected, else drop. The driver sends its text at `transmit` of the frame `pass`, which
   * comes among the outputs of this very input or not at all.
   */
  | { type: "pass" }
  | { type: "typingStart" | "typingStop"; conversationId: string }
  /** The draft is now this text. */
  | { type: "typingProgress"; conversationId: string; text: string }
  /** Ends in `pong` or `pingFailed`, once. The id begins with neither `ping-`, `sub-` nor `auth-`. */
  | { type: "ping"; id: string };

/** A request to the server; the driver adds what it alone knows (content, token) and encodes it. */
export type EngineFrame =
  /** `subscribe_conversation` or `subscribe_website`, with the last place seen. */
  | { type: "subscribe"; id: string; channel: Channel; after?: number; epoch?: string }
  | { type: "unsubscribe"; id: string; channel: Channel }
  | { type: "sendMessage"; id: string; conversationId: string }
  | { type: "pass" }
  | { type: "typingStart" | "typingStop"; conversationId: string }
  /** The whole draft, possibly empty. */
  | { type: "typingProgress"; conversationId: string; text: string }
  | { type: "ping" | "authenticate"; id: string };

/** Where the connection stands. */
export type EngineState =
  | {
      type:
        /** Not connected and not trying. */
        | "disconnected"
        /** Getting a token, dialling, or waiting for `connection_established`. */
        | "connecting"
        /** Established and authenticated. */
        | "connected";
    }
  /** Waiting before attempt `attempt`, until that time on the driver's clock. */
  | { type: "waiting"; attempt: number; until: number }
  /** Not trying any more; `connect` begins anew. */
  | { type: "stopped"; reason: { type: "close"; code: number } | { type: "tokenDenied" | "exhausted" } };

/** Where a subscription stands. */
export type SubscriptionState =
  | { type: "pending" | "confirmed" | "unavailable" | "released" }
  /** Refused or ended by the server: its error code, or the reason that it gave. Not asked again on its own. */
  | { type: "refused"; code: string };

/** Why a message failed. */
export type EngineFailure =
  /** The server refused it for good. */
  | { type: "refused"; code: string }
  | { type: "queueFull" | "duplicateId" | "tooOld" | "notConnected" };

/** One thing to do, or to tell. */
export type EngineOutput =
  /** Open a socket with the newest token; answer with `opened` or `dialFailed`. */
  | { type: "dial"; generation: number }
  /** Close this socket, or stop dialling it, and forget it. No answer is awaited. */
  | { type: "closeSocket"; generation: number; code: number }
  /** Ask the token source; `isRefused`: the last token was refused and must not be used again. */
  | { type: "requestToken"; request: number; isRefused: boolean }
  | { type: "transmit"; generation: number; frame: EngineFrame }
  /** Hand the message of the present `inbound` input to the application. Durable events come in order and once. */
  | { type: "deliver" }
  | { type: "stateChanged"; state: EngineState }
  /** A socket that was open is gone, whoever closed it. */
  | { type: "closed"; code: number; reason: string }
  | { type: "reconnectAttempt"; attempt: number }
  | { type: "reconnectSuccess" | "reconnectFail" }
  | { type: "subscriptionChanged"; channel: Channel; state: SubscriptionState }
  /** Events of this channel are missing and will not come: load it afresh. */
  | { type: "resync"; channel: Channel }
  | { type: "messageAcked"; id: string }
  | { type: "messageFailed"; id: string; failure: EngineFailure }
  | { type: "pong"; id: string; latency: number }
  | { type: "pingFailed"; id: string };

/** Counts since the engine was made. Times are on the driver's clock, in ms. */
export interface EngineStats {
  connectedAt?: number;
  messagesSent: number;
  messagesReceived: number;
  messagesInvalid: number;
  /** Events that came again and were not delivered again. */
  duplicates: number;
  reconnectAttempts: number;
  /** Why the last attempt or connection failed: `silence`, `close 1006`, … */
  lastError?: string;
  lastErrorAt?: number;
  /** The last round trip of a ping, in ms. */
  latency?: number;
}

/** One engine. Its memory goes with the last reference to it. */
export interface Engine {
  /**
   * Hands in one thing that happened, and gives what follows from it, in order.
   *
   * All outputs are to be handled before the next input is handed in; inputs that arise meanwhile wait in a
   * queue of the driver. `now` is in ms of a clock that the driver chooses.
   *
   * @throws TypeError when the input is malformed; then nothing has happened.
   * @throws EngineTrap when the engine failed; then it is unusable and another one must be made.
   */
  handle(input: EngineInput, now: number): readonly EngineOutput[];
  /** When to hand in `tick` at the latest, on the driver's clock; undefined when nothing is pending. */
  pollTimeout(): number | undefined;
  readonly stats: EngineStats;
  /** Messages that are not yet answered. */
  readonly queuedMessageCount: number;
  /** Ends the engine; any call of `handle` after it throws, a second `free` does nothing. */
  free(): void;
}

/** Which build of the engine runs: WebAssembly, or the plain JavaScript made from it. */
export type EngineVariant = "wasm" | "js";

/** An instance that is to have an engine; what `loadEngine` gives. */
export interface EngineFactory {
  readonly variant: EngineVariant;
  /**
   * Makes the engine; there can be one. `seed` makes the jitter; equal seeds and inputs give equal histories. Any
   * number will do.
   */
  create(config: EngineConfig, seed: number): Engine;
}
