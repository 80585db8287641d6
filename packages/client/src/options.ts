/** From the choices of an application to those of the engine. */

import type { WebSocketConfig } from "./config.js";
import type { EngineConfig } from "./engine/types.js";

const DEFAULTS: Omit<EngineConfig, "hasTokenSource"> = {
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

/** What the engine is to know; what is not chosen, or is undefined, is as by default. */
export function toEngineConfig(config: WebSocketConfig, hasTokenSource: boolean): EngineConfig {
  const chosen: Record<string, unknown> = { hasTokenSource };
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    chosen[name] = config[name as keyof typeof DEFAULTS] ?? fallback;
  }
  // Each field of the defaults has been set, to a value of its type.
  return chosen as unknown as EngineConfig;
}
