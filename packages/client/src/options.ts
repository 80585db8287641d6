/** From the choices of an application to those of the engine. */

import type { Core } from "./core.js";
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

/** What the engine is to know by now; what is not chosen, or is undefined, is as by default. */
export function engineConfig({ config, credentials }: Core): EngineConfig {
  const isChosen = ([name, value]: [string, unknown]) => name in DEFAULTS && (value ?? undefined) !== undefined;
  const chosen = Object.entries(config).filter(isChosen);
  return { ...DEFAULTS, ...Object.fromEntries(chosen), hasTokenSource: credentials.hasTokenSource };
}
