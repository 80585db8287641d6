/** Behaviours 19 and 20: how the engine is loaded, and what happens where WebAssembly is forbidden. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { EngineConfig } from "../../src/engine/types.js";

const config: EngineConfig = {
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

const file = fileURLToPath(new URL("../../src/engine/generated/engine.wasm", import.meta.url));
const bytes = () => new Uint8Array(readFileSync(file));

/** The module afresh, as in a page that was just opened. */
async function fresh() {
  vi.resetModules();
  return import("../../src/engine/index.js");
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe.each([undefined, "js"] as const)("the build %s", (variant) => {
  const load = async () => {
    const engine = await fresh();
    engine.configureEngine(variant ? { variant } : {});
    return engine;
  };

  it("runs", async () => {
    const factory = await (await load()).loadEngine();
    expect(factory.variant).toBe(variant ?? "wasm");
    const engine = factory.create(config, 7);
    expect(engine.state).toEqual({ type: "disconnected" });
    expect(engine.handle({ type: "connect" }, 1_000.9)).toEqual([
      { type: "stateChanged", state: { type: "connecting" } },
      { type: "dial", generation: 1 },
    ]);
    expect(engine.state).toEqual({ type: "connecting" });
    expect(engine.pollTimeout()).toBe(11_000);
    expect(engine.stats).toEqual({
      messagesSent: 0,
      messagesReceived: 0,
      messagesInvalid: 0,
      duplicates: 0,
      reconnectAttempts: 0,
    });
    engine.free();
    engine.free();
    expect(() => engine.handle({ type: "tick" }, 0)).toThrow("the engine was freed");
  });

  it("refuses what is malformed, and goes on", async () => {
    const engine = (await (await load()).loadEngine()).create(config, 7);
    const refused = (input: unknown, now = 0) =>
      // The types forbid what is tried here.
      expect(() => engine.handle(input as Parameters<typeof engine.handle>[0], now)).toThrow(TypeError);
    refused({ type: "nothing of ours" });
    refused({ type: "subscribe", channel: "room:1", holder: 1 });
    refused({ type: "subscribe", channel: "website:w", holder: -1 });
    refused({ type: "opened", generation: 1.5 });
    refused({ type: "token", request: 1, outcome: "perhaps" });
    refused({ type: "configure", config: { ...config, reconnectDelay: Number.NaN } });
    refused({ type: "tick" }, Number.NaN);
    expect(engine.handle({ type: "connect" }, 0)).toHaveLength(2);
  });

  it("takes long texts, and several engines at a time", async () => {
    const factory = await (await load()).loadEngine();
    const [one, two] = [factory.create(config, 1), factory.create(config, 2)];
    for (const engine of [one, two]) {
      engine.handle({ type: "connect" }, 0);
      engine.handle({ type: "opened", generation: 1 }, 0);
      const message = {
        type: "connection_established",
        connectionId: "conn_1",
        serverTime: 1,
        userId: "u",
        userType: "user",
        heartbeatInterval: 30_000,
        limits: { maxMessageBytes: 65_536, maxTextLength: 16_000, maxSubscriptions: 10, typingExpiry: 6_000 },
      };
      engine.handle({ type: "inbound", generation: 1, message }, 0);
    }
    // Longer than the memory that the module begins with.
    const text = "漢👋".repeat(200_000);
    one.free();
    expect(two.handle({ type: "typingProgress", conversationId: "c", text }, 1).at(-1)).toEqual({
      type: "transmit",
      generation: 1,
      frame: { type: "typingProgress", conversationId: "c", text },
    });
    const beyond = "x".repeat(6_000_000);
    expect(() => two.handle({ type: "typingProgress", conversationId: "c", text: beyond }, 2)).toThrow("no room");
    expect(two.state).toEqual({ type: "connected" });
  });
});

describe("loading", () => {
  it("happens once for all who ask", async () => {
    const { loadEngine } = await fresh();
    const instantiate = vi.spyOn(WebAssembly, "instantiate");
    const [one, two] = await Promise.all([loadEngine(), loadEngine()]);
    expect(one).toBe(two);
    expect(await loadEngine()).toBe(one);
    expect(instantiate).toHaveBeenCalledTimes(1);
  });

  it("takes the plain-JavaScript build where the page's CSP forbids WebAssembly", async () => {
    const { loadEngine } = await fresh();
    vi.spyOn(WebAssembly, "instantiate").mockRejectedValue(new WebAssembly.CompileError("violates the policy"));
    expect((await loadEngine()).variant).toBe("js");
  });

  it.each(["WebAssembly", "DecompressionStream"])("takes it where there is no %s", async (name) => {
    const { loadEngine } = await fresh();
    vi.stubGlobal(name, undefined);
    expect((await loadEngine()).variant).toBe("js");
  });

  it("tries again after a failure", async () => {
    const { loadEngine } = await fresh();
    vi.spyOn(WebAssembly, "instantiate").mockRejectedValueOnce(new Error("out of memory"));
    await expect(loadEngine()).rejects.toThrow("out of memory");
    expect((await loadEngine()).variant).toBe("wasm");
  });

  it("takes the file from where it is told", async () => {
    const response = (type: string, status = 200) =>
      new Response(bytes(), { status, headers: { "content-type": type } });
    const module = await WebAssembly.compile(bytes());
    for (const wasm of [bytes(), bytes().buffer, module, response("application/wasm"), response("text/plain")]) {
      const { configureEngine, loadEngine } = await fresh();
      configureEngine({ wasm });
      const factory = await loadEngine();
      expect(factory.variant).toBe("wasm");
      expect(factory.create(config, 1).handle({ type: "connect" }, 0)).toHaveLength(2);
    }
    for (const wasm of ["https://cdn.example/engine.wasm", new URL("https://cdn.example/engine.wasm")]) {
      const { configureEngine, loadEngine } = await fresh();
      const fetched = vi.fn(async () => response("application/wasm"));
      vi.stubGlobal("fetch", fetched);
      configureEngine({ wasm });
      expect((await loadEngine()).variant).toBe("wasm");
      expect(fetched).toHaveBeenCalledExactlyOnceWith(wasm);
    }
    const { configureEngine, loadEngine } = await fresh();
    configureEngine({ wasm: response("text/plain", 404) });
    await expect(loadEngine()).rejects.toThrow("status 404");
  });

  it("asks for no file by default", async () => {
    const { loadEngine } = await fresh();
    const fetched = vi.fn();
    vi.stubGlobal("fetch", fetched);
    expect((await loadEngine()).variant).toBe("wasm");
    expect(fetched).not.toHaveBeenCalled();
  });
});

describe("a trap", () => {
  it("is told as such, and another engine can be loaded", async () => {
    const { EngineTrap, loadEngine } = await fresh();
    const real = WebAssembly.instantiate;
    let isBroken = false;
    vi.spyOn(WebAssembly, "instantiate").mockImplementationOnce((async (source: BufferSource) => {
      const { instance } = await real(source);
      const exports = instance.exports as unknown as { handle(engine: number, length: number, now: number): number };
      const handle = (engine: number, length: number, now: number) => {
        if (isBroken) throw new WebAssembly.RuntimeError("unreachable");
        return exports.handle(engine, length, now);
      };
      return { instance: { exports: { ...instance.exports, handle } } };
    }) as unknown as typeof WebAssembly.instantiate);
    const factory = await loadEngine();
    const engine = factory.create(config, 1);
    isBroken = true;
    expect(() => engine.handle({ type: "connect" }, 0)).toThrow(EngineTrap);
    isBroken = false;
    expect(() => engine.handle({ type: "connect" }, 0)).toThrow(EngineTrap);
    expect(() => factory.create(config, 1)).toThrow(EngineTrap);
    engine.free();
    const next = await loadEngine();
    expect(next).not.toBe(factory);
    expect(next.create(config, 1).handle({ type: "connect" }, 0)).toHaveLength(2);
  });
});
