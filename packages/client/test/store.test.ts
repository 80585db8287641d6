/** What screens read. */

import { afterEach, describe, expect, test, vi } from "vitest";

import { DISCONNECTED, NO_STATS } from "../src/index.js";
import { merge } from "../src/store.js";
import { connectClient, makeClient, scripted } from "./support/clients.js";
import { confirmation, newMessage } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

afterEach(() => {
  vi.useRealTimers();
});

describe("16. A snapshot keeps its identity until something in it changes", () => {
  test("frozen, equal parts kept, listeners told at most once a microtask", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    let told = 0;
    const end = client.subscribe(() => (told += 1));
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    client.subscribeToConversation("c1");
    client.subscribeToConversation("c2");
    const confirm = async (channel: string) =>
      peer.say(confirmation((await peer.next("subscribe_conversation")).id, channel));
    await confirm("conversation:c1");
    await confirm("conversation:c2");
    await until("both", () => client.getSnapshot().subscriptions.length === 2);
    await settle();
    const before = client.getSnapshot();
    expect(Object.isFrozen(before) && Object.isFrozen(before.subscriptions)).toBe(true);
    told = 0;
    for (let seq = 1; seq <= 50; seq += 1) peer.say(newMessage("c1", seq));
    await until("all", () => client.log.includes("message 50"));
    await settle();
    expect(client.getSnapshot()).toBe(before);
    expect(told).toBe(0);
    for (let count = 0; count < 5; count += 1) void client.sendChatMessage("c3", { text: "hi" });
    expect(client.getSnapshot().queuedMessageCount).toBe(5);
    await settle();
    expect(told).toBe(1);
    expect(client.getSnapshot().subscriptions).toBe(before.subscriptions);
    expect(client.getSnapshot().state).toBe(before.state);
    expect(client.getSnapshot().identity).toBe(before.identity);
    end();
    client.disconnect();
    await settle();
    expect(told).toBe(1);
  });

  test("functions need no this and keep their identity", () => {
    const { getSnapshot, getStats, subscribe, connect, disconnect, retain } = makeClient({ url: "ws://127.0.0.1:9/ws" });
    expect(getSnapshot()).toBe(DISCONNECTED);
    expect(getStats()).toEqual(NO_STATS);
    subscribe(() => {})();
    disconnect();
    retain()();
    connect();
    disconnect();
    expect(getSnapshot().state).toEqual({ type: "disconnected" });
  });

  test("merging keeps a value of which nothing changed", () => {
    const list = ["a"];
    const one = Object.freeze({ list, text: "x", maybe: undefined });
    expect(merge<object>(one, { list, text: "x", maybe: undefined })).toBe(one);
    const other = merge<object>(one, { list, text: "y", maybe: undefined });
    expect(other).toEqual({ list, text: "y", maybe: undefined });
    expect(Object.isFrozen(other)).toBe(true);
    expect(merge<object>(one, { list: ["a"], text: "x" })).not.toBe(one);
  });
});

describe("17. Counters are live, at most four times a second", () => {
  test("while somebody listens they change on a beat, else whenever they are read", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    expect(client.getStats()).toMatchObject({ messagesReceived: 1, messagesSent: 0 });
    let told = 0;
    const end = client.subscribeStats(() => (told += 1));
    const before = client.getStats();
    for (let seq = 1; seq <= 20; seq += 1) {
      peer.say(newMessage("c1", seq));
      await until("it", () => client.log.includes(`message ${seq}`));
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(told).toBeGreaterThanOrEqual(3);
    expect(told).toBeLessThanOrEqual(4);
    await vi.advanceTimersByTimeAsync(250);
    expect(client.getStats().messagesReceived).toBe(21);
    expect(client.getStats()).not.toBe(before);
    expect(client.getStats()).toBe(client.getStats());
    peer.say(newMessage("c1", 21));
    await until("it", () => client.log.includes("message 21"));
    end();
    end();
    expect(client.getStats().messagesReceived).toBe(22);
  });
});

describe("configure", () => {
  test("takes timing at once, never reconnects, and leaves the destination", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url, maxQueueSize: 10 });
    await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    client.configure({ url: "ws://127.0.0.1:9/elsewhere", maxQueueSize: 1, publicKey: "pk_other" });
    void client.sendChatMessage("c1", { text: "one" });
    await expect(client.sendChatMessage("c1", { text: "two" })).rejects.toMatchObject({ code: "queue_full" });
    expect(client.getSnapshot().isConnected).toBe(true);
    server.peers[0]?.socket.terminate();
    await server.established(2);
  });
});
