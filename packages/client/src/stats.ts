/** The counters of a client. */

import type { Core } from "./core.js";
import { NO_STATS, type WebSocketStats } from "./state.js";
import { createSampledStore } from "./store.js";

/** Makes the counters of a client that never connected. */
export function createStats(core: Core) {
  return createSampledStore<WebSocketStats>(() => {
    const counts = core.session.stats();
    if (!counts) return NO_STATS;
    const { connectedAt, lastErrorAt, messagesSent, messagesReceived, reconnectAttempts, lastError, latency } = counts;
    const toWall = (at: number | undefined) => (at === undefined ? at : core.clock.toWall(at));
    return {
      connectTime: toWall(connectedAt),
      messagesSent,
      messagesReceived,
      reconnectAttempts,
      lastError,
      lastErrorTime: toWall(lastErrorAt),
      latencyMs: latency,
      ...core.connection.bytes,
    };
  });
}
