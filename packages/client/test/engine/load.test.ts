/** Behaviours 19 and 20: how the engine is loaded, and what happens where WebAssembly is forbidden. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { EngineConfig, EngineFactory } from "../../src/engine/types.js";

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
    expect(engine.handle({ type: "connect" }, 1_000.9)).toEqual([
      { type: "stateChanged", state: { type: "connecting" } },
      { type: "dial", generation: 1 },
    ]);
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

  const established = {
    type: "connection_established",
    connectionId: "conn_1",
    serverTime: 1,
    userId: "u",
    userType: "user",
    heartbeatInterval: 30_000,
    limits: { maxMessageBytes: 65_536, maxTextLength: 16_000, maxSubscriptions: 10, typingExpiry: 6_000 },
  };
  const connected = async (loadEngine: () => Promise<EngineFactory>, seed: number) => {
    const engine = (await loadEngine()).create(config, seed);
    engine.handle({ type: "connect" }, 0);
    engine.handle({ type: "opened", generation: 1 }, 0);
    const outputs = engine.handle({ type: "inbound", generation: 1, message: established }, 0);
    expect(outputs).toContainEqual({ type: "stateChanged", state: { type: "connected" } });
    return engine;
  };
  /** What one says to whom. */
  const typed = (conversationId: string, text: string) => ({ type: "typingProgress", conversationId, text }) as const;
  const transmitted = (frame: unknown) => ({ type: "transmit", generation: 1, frame });

  it("takes long texts, and several engines at a time", async () => {
    const { loadEngine } = await load();
    const [one, two] = [await connected(loadEngine, 1), await connected(loadEngine, 2)];
    one.free();
    // Longer than the memory that the module begins with.
    const frame = typed("c", "漢👋".repeat(400_000));
    expect(two.handle(frame, 1).at(-1)).toEqual(transmitted(frame));
  });

  it("knows texts by what they are, ids of requests and words of its own too", async () => {
    const engine = await connected((await load()).loadEngine, 1);
    const ids = ["", "sub-0", "sub-01", "ping-1", "auth-536870911", "sub-536870912", "sub-4294967296", "unavailable", "é", "e\u0301"];
    for (const [index, id] of ids.entries()) {
      const sent = engine.handle({ type: "send", id, conversationId: `c-${index}`, age: 0 }, 1);
      expect(sent).toEqual([transmitted({ type: "sendMessage", id, conversationId: `c-${index}` })]);
    }
    for (const id of ids) {
      expect(engine.handle({ type: "send", id, conversationId: "c", age: 0 }, 1)).toEqual([
        { type: "messageFailed", id, failure: { type: "duplicateId" } },
      ]);
    }
    const refusal = { type: "error", error: "words", code: "not of ours", id: "sub-01" };
    expect(engine.handle({ type: "inbound", generation: 1, message: refusal }, 1)).toEqual([
      { type: "deliver" },
      { type: "messageFailed", id: "sub-01", failure: { type: "refused", code: "not of ours" } },
    ]);
  });

  it("keeps the texts that it needs, however many come and go", async () => {
    const engine = await connected((await load()).loadEngine, 1);
    const waiting = { type: "send", id: "kept", conversationId: "kept too", age: 0 } as const;
    expect(engine.handle(waiting, 1)).toHaveLength(1);
    const subscribed = engine.handle({ type: "subscribe", channel: "website:w", holder: 1 }, 1);
    const idOf = (output: unknown) => (output as { frame: { id: string } }).frame.id;
    const confirmed = { type: "subscription_confirmed", channel: "website:w", id: idOf(subscribed[0]), epoch: "epoch", head: 0, recovered: true };
    engine.handle({ type: "inbound", generation: 1, message: confirmed }, 1);
    // A server that invents conversations, and somebody who writes a lot: more than is kept in any case.
    for (let place = 1; place <= 8_000; place++) {
      const message = {
        type: "conversation_status_changed",
        conversationId: `invented-${place}`.padEnd(100, "-"),
        websiteId: "w",
        organizationId: "o",
        status: "open",
        seq: 1,
        offset: place,
      };
      // Fast enough for no answer to be late, and slow enough for each draft to be shown.
      const now = place / 8;
      expect(engine.handle({ type: "inbound", generation: 1, message }, now)).toEqual([{ type: "deliver" }]);
      if (place % 1_000 === 0) {
        const frame = typed("d", `${"x".repeat(2_000)}${place}`);
        expect(engine.handle(frame, now).at(-1)).toEqual(transmitted(frame));
      }
    }
    // A new connection resumes with what was told before all that.
    engine.handle({ type: "closed", generation: 1, code: 1006, reason: "" }, 1_100);
    engine.handle({ type: "online" }, 1_200);
    engine.handle({ type: "opened", generation: 2 }, 1_200);
    const resumed = engine.handle({ type: "inbound", generation: 2, message: established }, 1_200);
    expect(resumed.at(-1)).toMatchObject({ frame: { channel: "website:w", after: 8_000, epoch: "epoch" } });
    const next = { ...confirmed, id: idOf(resumed.at(-1)), head: 8_000, recovered: true };
    const sent = engine.handle({ type: "inbound", generation: 2, message: next }, 1_200);
    const frame = { type: "sendMessage", id: "kept", conversationId: "kept too" };
    expect(sent).toContainEqual({ type: "transmit", generation: 2, frame });
  });
});

describe("loading", () => {
  it("happens once for all who ask", async () => {
    const { loadEngine } = await fresh();
    const compile = vi.spyOn(WebAssembly, "compile");
    const factories = [...(await Promise.all([loadEngine(), loadEngine()])), await loadEngine()];
    expect(compile).toHaveBeenCalledTimes(1);
    // Each of them got an instance of its own, which takes one engine.
    for (const factory of factories) {
      expect(factory.create(config, 1).handle({ type: "connect" }, 0)).toHaveLength(2);
      expect(() => factory.create(config, 1)).toThrow(TypeError);
    }
  });

  it("takes the plain-JavaScript build where the page's CSP forbids WebAssembly", async () => {
    const { loadEngine } = await fresh();
    vi.spyOn(WebAssembly, "compile").mockRejectedValue(new WebAssembly.CompileError("violates the policy"));
    expect((await loadEngine()).variant).toBe("js");
  });

  it.each(["WebAssembly", "DecompressionStream"])("takes it where there is no %s", async (name) => {
    const { loadEngine } = await fresh();
    vi.stubGlobal(name, undefined);
    expect((await loadEngine()).variant).toBe("js");
  });

  it("tries again after a failure", async () => {
    const { loadEngine } = await fresh();
    for (const name of ["compile", "instantiate"] as const) {
      vi.spyOn(WebAssembly, name).mockRejectedValueOnce(new Error("out of memory"));
      await expect(loadEngine()).rejects.toThrow("out of memory");
      expect((await loadEngine()).variant).toBe("wasm");
    }
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
  it("is told as such, and is of no concern to other engines", async () => {
    const { EngineTrap, loadEngine } = await fresh();
    const real = WebAssembly.instantiate;
    let isBroken = false;
    vi.spyOn(WebAssembly, "instantiate").mockImplementationOnce((async (module: WebAssembly.Module) => {
      const instance = await real(module);
      const exports = instance.exports as unknown as { handle(now: number): number };
      const handle = (now: number) => {
        if (isBroken) throw new WebAssembly.RuntimeError("unreachable");
        return exports.handle(now);
      };
      return { exports: { ...instance.exports, handle } };
    }) as unknown as typeof WebAssembly.instantiate);
    const engine = (await loadEngine()).create(config, 1);
    const other = (await loadEngine()).create(config, 1);
    isBroken = true;
    expect(() => engine.handle({ type: "connect" }, 0)).toThrow(EngineTrap);
    isBroken = false;
    expect(() => engine.handle({ type: "connect" }, 0)).toThrow(EngineTrap);
    expect(engine.stats.messagesSent, "as they were").toBe(0);
    engine.free();
    expect(other.handle({ type: "connect" }, 0)).toHaveLength(2);
    expect((await loadEngine()).create(config, 1).handle({ type: "connect" }, 0)).toHaveLength(2);
  });
});
