/** What the engine is told when an application chooses nothing. */

import type { EngineConfig } from "./types.js";

/** In the order of the record; `hasTokenSource` comes behind. */
export const DEFAULTS: Omit<EngineConfig, "hasTokenSource"> = {
  autoReconnect: true,
  reconnectDelay: 1_000,
  maxReconnectDelay: 30_000,
  reconnectDelayMultiplier: 1.5,
  maxReconnectAttempts: Infinity,
  reconnectJitter: 1,
  connectTimeout: 10_000,
  enableMessageQueue: true,
  maxQueueSize: 100,
  maxQueueAge: 24 * 3_600_000,
  heartbeatInterval: 30_000,
  requestTimeout: 10_000,
  typingProgressThrottle: 100,
};
