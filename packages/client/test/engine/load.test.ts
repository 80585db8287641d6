/** Loading: each build works, once for all who ask, and a failure is not kept. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EngineConfig } from "../../src/engine/types.js";

export const config: EngineConfig = {
  autoReconnect: true,
  reconnectDelay: 1_000,
  maxReconnectDelay: 30_000,
  reconnectDelayMultiplier: 1.5,
  maxReconnectAttempts: Infinity,
  reconnectJitter: 1,
  connectTimeout: 10_000,
  enableMessageQueue: true,
  maxQueueSize: 100,
  maxQueueAge: 86_400_000,
  heartbeatInterval: 30_000,
  requestTimeout: 10_000,
  typingProgressThrottle: 100,
  hasTokenSource: false,
};

/** The module afresh, as in a page that was just opened. */
async function fresh() {
  vi.resetModules();
  return import("../../src/engine/index.js");
}

describe.each([undefined, "js"] as const)("the build %s", (variant) => {
  it("runs", async () => {
    const { configureEngine, loadEngine } = await fresh();
    configureEngine({ variant });
    const factory = await loadEngine();
    expect(factory.variant).toBe(variant ?? "wasm");
    const engine = factory.create(config, 7);
    expect(engine.state).toEqual({ type: "disconnected" });
    expect(engine.handle({ type: "connect" }, 1_000)).toEqual([
      { type: "stateChanged", state: { type: "connecting" } },
      { type: "dial", generation: 1 },
    ]);
    expect(engine.pollTimeout()).toBe(11_000);
    expect(engine.stats).toMatchObject({ messagesSent: 0 });
    engine.free();
    expect(() => engine.handle({ type: "tick" }, 0)).toThrow("the engine was freed");
  });
});
