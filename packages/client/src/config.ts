/** What an application may choose. */

/** Where a visitor's token is kept. An answer may be a promise. */
export interface VisitorTokenStore {
  /** The token kept under this name, if there is one. */
  get(name: string): string | null | undefined | Promise<string | null | undefined>;
  /** Keeps a token under this name; null forgets it. */
  set(name: string, token: string | null): void | Promise<void>;
}

/** What a token source gives: a token, or nothing when the connection needs none. */
export type TokenAnswer = string | null | undefined;

/**
 * The choices of an application. Everything has a default.
 *
 * `url`, `protocols`, `headers`, `publicKey`, `shareAcrossTabs`, `persistQueue` and whether there is a `getToken` decide
 * where and how a client connects: a change of them makes another client. All else takes effect from the next decision
 * on and never reconnects.
 */
export interface WebSocketConfig {
  /** The endpoint, `ws://` or `wss://` (`http://` and `https://` are taken too). Default: `/ws` of the page's own origin. */
  url?: string;
  /** Whether a lost connection is dialled again. Default: true. */
  autoReconnect?: boolean;
  /** The delay before the first attempt to reconnect, in ms. Default: 1,000. */
  reconnectDelay?: number;
  /** No delay of the client's own making is longer, in ms. Default: 30,000. */
  maxReconnectDelay?: number;
  /** By how much each delay is longer than the one before. Default: 1.5. */
  reconnectDelayMultiplier?: number;
  /** After this many attempts in a row the client gives up and `onReconnectFail` is called. Default: Infinity. */
  maxReconnectAttempts?: number;
  /** The share of a delay that is random: 1 is all of it, 0 none. Default: 1. */
  reconnectJitter?: number;
  /** From dialling until the server has taken the connection, in ms. Default: 10,000. */
  connectTimeout?: number;
  /** Whether messages wait for a connection; without it they are refused while there is none. Default: true. */
  enableMessageQueue?: boolean;
  /** How many messages may be unanswered; the next one is refused to its caller. Default: 100. */
  maxQueueSize?: number;
  /** A message that was not acknowledged within this time fails, in ms. Default: 24 hours. */
  maxQueueAge?: number;
  /** Whether unanswered messages outlive a reload, in IndexedDB. Default: false. */
  persistQueue?: boolean;
  /** The longest time between two pings, in ms; the server may ask for a shorter one. Default: 30,000. */
  heartbeatInterval?: number;
  /** How long an answer may take before the link is probed and the request repeated, in ms. Default: 10,000. */
  requestTimeout?: number;
  /** Logs what happens to the console, without the text of messages. Default: false. */
  debug?: boolean;
  /**
   * Headers of the handshake. A browser can set none: there `Authorization: Bearer T` becomes a subprotocol, and any
   * other header is warned of once a page. Default: none.
   */
  headers?: Record<string, string>;
  /** Further subprotocols to offer. Default: none. */
  protocols?: string | string[];
  /** The shortest time between two previews of one draft, in ms. Default: 100. */
  typingProgressThrottle?: number;
  /**
   * Gives the token to connect with: asked before each connection, when a token is about to expire, and once after a
   * refusal. A promise that rejects counts as a failed attempt; one that rejects with a `TokenDeniedError` stops the
   * client. Wins over `headers`, which wins over `publicKey`.
   */
  getToken?: () => TokenAnswer | Promise<TokenAnswer>;
  /** The public key of a website, for an anonymous visitor of it. */
  publicKey?: string;
  /** Where the visitor's token is kept, by server and key. Default: `localStorage`, and memory where there is none. */
  visitorTokenStore?: "localStorage" | "memory" | VisitorTokenStore;
  /** Whether all tabs of the origin share one connection. Default: false. */
  shareAcrossTabs?: boolean;
}

/** Thrown by `getToken` when no token will ever be given: the client stops until `connect()` is called. */
export class TokenDeniedError extends Error {
  override readonly name = "TokenDeniedError";
}
