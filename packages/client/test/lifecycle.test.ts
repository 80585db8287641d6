/** Before the engine is there, and after it failed. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Engine, EngineFactory } from "../src/engine/index.js";
import { connectClient, makeClient, scripted } from "./support/clients.js";
import { ackOf, confirmation, newMessage } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

const control = vi.hoisted(() => ({
  loads: 0,
  failures: 0,
  hold: undefined as Promise<void> | undefined,
  /** Called with the type of each input; throws to make the engine fail. */
  strike: undefined as ((type: string) => void) | undefined,
}));

vi.mock("../src/engine/index.js", async (original) => {
  const real = await original<typeof import("../src/engine/index.js")>();
  return {
    ...real,
    async loadEngine(): Promise<EngineFactory> {
      control.loads += 1;
      await control.hold;
      if (control.failures > 0) {
        control.failures -= 1;
        throw new TypeError("the chunk is not there");
      }
      const factory = await real.loadEngine();
      return {
        variant: factory.variant,
        create(config, seed) {
          const engine = factory.create(config, seed);
          const handle: Engine["handle"] = (input, now) => {
            control.strike?.(input.type);
            return engine.handle(input, now);
          };
          return {
            handle,
            pollTimeout: () => engine.pollTimeout(),
            get stats() {
              return engine.stats;
            },
            get queuedMessageCount() {
              return engine.queuedMessageCount;
            },
            free: () => engine.free(),
          };
        },
      };
    },
  };
});

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
  control.loads = 0;
  control.failures = 0;
  control.hold = undefined;
  control.strike = undefined;
});

describe("18. Making a client does nothing", () => {
  test("neither a page nor a network nor an engine is needed", async () => {
    const names = ["window", "document", "WebSocket", "localStorage", "fetch"];
    for (const name of names) vi.stubGlobal(name, undefined);
    const client = makeClient({});
    client.createHandle().subscribeToConversation("c1");
    expect(client.getSnapshot()).toMatchObject({ isConnected: false, isConnecting: false });
    await settle();
    expect(control.loads).toBe(0);
    vi.unstubAllGlobals();
  });
});

describe("19. Calls made before the engine is there are kept, in order", () => {
  test("subscriptions, messages, and where the client is to be", async () => {
    let go = () => {};
    control.hold = new Promise((resolve) => (go = resolve));
    const server = await scripted();
    const client = makeClient({ url: server.url });
    void client.sendChatMessage("c1", { text: "one" });
    client.connect();
    client.subscribeToConversation("c1");
    client.subscribeToConversation("c0");
    client.unsubscribeFromConversation("c0");
    void client.sendChatMessage("c1", { text: "two" });
    client.disconnect();
    client.connect();
    expect(client.getSnapshot()).toMatchObject({ isConnecting: true, readyState: 0, queuedMessageCount: 2 });
    await settle();
    expect(server.peers).toHaveLength(0);
    go();
    const peer = await server.established(1);
    peer.say(confirmation((await peer.next("subscribe_conversation")).id, "conversation:c1"));
    const one = await peer.next("send_message");
    peer.say(ackOf(one));
    const two = await peer.next("send_message");
    expect([one.content.text, two.content.text]).toEqual(["one", "two"]);
    expect(peer.frames).toHaveLength(3);
    expect(control.loads).toBe(1);
    expect(client.log.slice(0, 4)).toEqual(["connecting", "disconnected", "connecting", "connected"]);
  });

  test("an engine that cannot be loaded is loaded again", async () => {
    control.failures = 2;
    const server = await scripted();
    const client = connectClient({ url: server.url });
    await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    expect(control.loads).toBe(3);
    expect(console.error).toHaveBeenCalledTimes(2);
  });

  test("nobody loads it again for a client that nobody wants connected, until somebody does", async () => {
    control.failures = 1;
    let letGo: (value?: unknown) => void = () => {};
    control.hold = new Promise((resolve) => (letGo = resolve)).then(() => {});
    const server = await scripted();
    const client = connectClient({ url: server.url });
    await until("it loads", () => control.loads === 1);
    client.disconnect();
    letGo();
    await until("it is told", () => vi.mocked(console.error).mock.calls.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(control.loads).toBe(1);
    client.connect();
    await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    expect(control.loads).toBe(2);
  });
});

describe("An engine that fails is made again", () => {
  test("wishes and messages go on, what was missed is told", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.subscribeToConversation("c1");
    const sent = client.sendChatMessage("c1", { text: "hello" });
    const first = await server.established(1);
    first.say(confirmation((await first.next("subscribe_conversation")).id, "conversation:c1"));
    const frame = await first.next("send_message");
    const pinged = client.ping().catch((error: unknown) => error);
    control.strike = (type) => {
      if (type !== "inbound") return;
      control.strike = undefined;
      throw new Error("unreachable");
    };
    first.say(newMessage("c1", 1));
    const second = await server.established(2);
    expect(await pinged).toMatchObject({ name: "PingError" });
    await until("the old socket is closed", () => first.closed);
    const again = await second.next("subscribe_conversation");
    expect(again.after).toBeUndefined();
    expect(client.log).not.toContain("resync conversation:c1");
    second.say(confirmation(again.id, "conversation:c1", 1));
    expect((await second.next("send_message")).id).toBe(frame.id);
    second.say(ackOf(frame));
    await sent;
    expect(client.log).toContain("resync conversation:c1");
    expect(client.log).toContain("close 1006");
    // Counters begin anew with the engine.
    expect(client.getStats().messagesReceived).toBe(3);
  });

  test("one that fails again and again does not keep the page busy", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const server = await scripted();
    let strikes = 0;
    control.strike = () => {
      strikes += 1;
      throw new Error("unreachable");
    };
    connectClient({ url: server.url });
    await settle();
    for (let second = 0; second < 30; second += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      await settle(5);
    }
    expect(strikes).toBeGreaterThan(2);
    expect(strikes).toBeLessThan(12);
    vi.useRealTimers();
  });
});
