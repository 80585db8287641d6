/** How a client connects, notices that it is not connected any more, and comes back. */

import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";

import { PingError, RELEASE_LINGER } from "../src/index.js";
import { atEnd, connectClient, makeClient, scripted } from "./support/clients.js";
import { stubPage } from "./support/page.js";
import { newMessage } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Time is the test's; microtasks, sockets and turns of the loop are real. */
function useOwnTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
}

describe("1. A closed or replaced connection can change nothing any more", () => {
  test("what a given-up socket says is not heard", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const first = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    // The bytes are on their way when the client lets go.
    first.say(newMessage("c1", 1));
    client.disconnect();
    client.connect();
    const second = await server.established(2);
    await until("open again", () => client.getSnapshot().isConnected);
    second.say(newMessage("c1", 2));
    await until("the second message", () => client.log.includes("message 2"));
    expect(client.log).not.toContain("message 1");
    expect(client.log.filter((line) => line.startsWith("close"))).toEqual(["close 1000"]);
  });
});

describe("2. Closed on purpose is closed", () => {
  test("after disconnect() nothing revives it but connect()", async () => {
    const page = stubPage();
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    client.disconnect();
    expect(client.getSnapshot().state).toEqual({ type: "disconnected" });
    await until("the socket is closed", () => peer.closed);
    expect(peer.closed).toEqual({ code: 1000 });
    for (const type of ["online", "focus"]) page.window.dispatchEvent(new Event(type));
    page.hide();
    page.show();
    page.comeBack();
    const release = client.retain();
    client.sendChatMessage("c1", { text: "later" });
    await settle();
    expect(server.peers).toHaveLength(1);
    expect(page.listeners()).toBe(0);
    client.connect();
    await server.established(2);
    await until("open again", () => client.getSnapshot().isConnected);
    release();
  });

  test("a double mount makes one socket, the last release leaves none and no timer", async () => {
    useOwnTime();
    const page = stubPage();
    const server = await scripted();
    const client = makeClient({ url: server.url });
    const first = client.retain();
    first();
    const second = client.retain();
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    first();
    second();
    await vi.advanceTimersByTimeAsync(RELEASE_LINGER - 1);
    expect(client.getSnapshot().isConnected).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    await until("the socket is closed", () => peer.closed);
    expect(client.getSnapshot().state.type).toBe("disconnected");
    expect(vi.getTimerCount()).toBe(0);
    expect(page.listeners()).toBe(0);
    expect(server.peers).toHaveLength(1);
  });

  test("a page that goes does not linger", async () => {
    const page = stubPage();
    const server = await scripted();
    const client = makeClient({ url: server.url });
    const release = client.retain();
    await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    release();
    page.leave();
    expect(client.getSnapshot().state.type).toBe("disconnected");
  });

  test("releasing before the engine is there leaves nothing either", async () => {
    const server = await scripted();
    const client = makeClient({ url: server.url });
    client.connect();
    client.disconnect();
    expect(client.getSnapshot().isConnecting).toBe(false);
    await settle(50);
    expect(server.peers).toHaveLength(0);
  });
});

describe("3. Backoff", () => {
  const delays = async (config: Parameters<typeof makeClient>[0], count: number): Promise<number[]> => {
    const client = makeClient({ reconnectDelay: 1_000, ...config });
    const waits: number[] = [];
    client.addHandlers(() => ({
      onStateChange: (state) => {
        if (state.type === "waiting") waits.push(state.retryAt - Date.now());
      },
    }));
    client.connect();
    for (let n = 1; n <= count; n += 1) {
      await until(`wait ${n}`, () => waits.length >= n);
      await vi.advanceTimersByTimeAsync(60_000);
    }
    return waits;
  };

  test("grows by the multiplier up to the longest; a constructor that throws counts", async () => {
    useOwnTime();
    vi.stubGlobal("WebSocket", class {
      constructor() {
        throw new SyntaxError("no");
      }
    });
    const waits = await delays({ url: "ws://127.0.0.1:9/ws", maxReconnectDelay: 3_000 }, 5);
    expect(waits.slice(0, 5)).toEqual([1_000, 1_500, 2_250, 3_000, 3_000]);
  });

  test("a refused dial counts", async () => {
    const server = await scripted();
    const { url } = server;
    await server.close();
    const client = connectClient({ url, maxReconnectAttempts: 3 });
    await until("given up", () => client.log.includes("fail"));
    expect(client.log.filter((line) => line.startsWith("attempt"))).toEqual(["attempt 1", "attempt 2", "attempt 3"]);
    expect(client.log.filter((line) => line === "error")).toHaveLength(4);
    expect(client.getSnapshot().state).toEqual({ type: "stopped", reason: "exhausted" });
    expect(client.getStats().reconnectAttempts).toBe(3);
  });

  test("a dial that hangs counts", async () => {
    const held: Socket[] = [];
    const mute = createServer((socket) => void held.push(socket));
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    atEnd(() => {
      for (const socket of held) socket.destroy();
      mute.close();
    });
    const url = `ws://127.0.0.1:${(mute.address() as AddressInfo).port}/ws`;
    const client = connectClient({ url, connectTimeout: 20, maxReconnectAttempts: 2 });
    await until("given up", () => client.log.includes("fail"));
    expect(held.length).toBeGreaterThanOrEqual(1);
  });

  test("begins anew only after 5 s of connection, and never before the server's retryAfter", async () => {
    useOwnTime();
    const server = await scripted();
    const client = connectClient({ url: server.url, reconnectDelay: 100, maxReconnectDelay: 60_000 });
    const waits: number[] = [];
    client.addHandlers(() => ({
      onStateChange: (state) => {
        if (state.type === "waiting") waits.push(state.retryAt - Date.now());
      },
    }));
    const first = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    const drop = async (peer: typeof first) => {
      const before = waits.length;
      peer.socket.close(1011);
      await until("waiting", () => waits.length > before);
    };
    const again = async (number: number) => {
      await vi.advanceTimersByTimeAsync(waits.at(-1) ?? 0);
      const peer = await server.established(number);
      await until("open", () => client.getSnapshot().isConnected);
      return peer;
    };
    await drop(first);
    await drop(await again(2));
    const third = await again(3);
    await vi.advanceTimersByTimeAsync(5_001);
    await drop(third);
    const fourth = await again(4);
    fourth.say({ type: "error", error: "full", code: "unavailable", retryAfter: 40_000 });
    await settle();
    await drop(fourth);
    expect(waits).toEqual([100, 150, 100, 40_000]);
  });
});

describe("4. Close codes follow the law of ranges", () => {
  test.each([4400, 4403, 4477, 1003, 1009])("%i stops", async (code) => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    peer.socket.close(code, "why");
    await until("stopped", () => client.getSnapshot().state.type === "stopped");
    expect(client.getSnapshot().state).toEqual({ type: "stopped", reason: "close", code });
  });

  test.each([1000, 1001, 1011, 4009, 4010, 4500])("%i comes back", async (code) => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    peer.socket.close(code);
    await server.established(2);
    await until("success", () => client.log.includes("success"));
    expect(client.log).toContain(`close ${code}`);
  });

  test("on 4401 a new token is got once, then it stops", async () => {
    const server = await scripted();
    let asked = 0;
    const client = connectClient({ url: server.url, getToken: async () => `token-${(asked += 1)}` });
    const first = await server.peer(1);
    expect(first.offered).toEqual(["cossistant.v1", "bearer.token-1"]);
    first.socket.close(4401);
    const second = await server.peer(2);
    expect(second.offered).toContain("bearer.token-2");
    second.socket.close(4401);
    await until("stopped", () => client.getSnapshot().state.type === "stopped");
    expect(asked).toBe(2);
  });

  test("a source that denies stops, one that fails is asked again", async () => {
    const server = await scripted();
    let asked = 0;
    const { TokenDeniedError } = await import("../src/index.js");
    const client = connectClient({
      url: server.url,
      getToken: () => {
        asked += 1;
        throw asked < 3 ? new Error("down") : new TokenDeniedError("no");
      },
    });
    await until("stopped", () => client.getSnapshot().state.type === "stopped");
    expect(client.getSnapshot().state).toEqual({ type: "stopped", reason: "token_denied" });
    expect(asked).toBe(3);
    expect(server.peers).toHaveLength(0);
  });

  test("without a source, 4401 stops", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url, headers: { Authorization: "Bearer fixed" } });
    const peer = await server.peer(1);
    expect(peer.offered).toContain("bearer.fixed");
    peer.socket.close(4401);
    await until("stopped", () => client.getSnapshot().state.type === "stopped");
  });
});

describe("5. What the page tells makes it look", () => {
  test.each(["online", "visible", "pageshow"])("%s probes the open socket, which has 2 s", async (what) => {
    useOwnTime();
    const page = stubPage();
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    if (what === "online") page.window.dispatchEvent(new Event("online"));
    if (what === "visible") page.show();
    if (what === "pageshow") page.comeBack();
    await peer.next("ping");
    await vi.advanceTimersByTimeAsync(1_999);
    expect(client.getSnapshot().isConnected).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(client.getSnapshot().isConnected).toBe(false);
    expect(client.getStats().lastError).toBe("silence");
    await vi.advanceTimersByTimeAsync(1_000);
    await server.established(2);
  });

  test("a clock that jumped probes, too", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url, heartbeatInterval: 3_600_000 });
    const peer = await server.established(1, { heartbeatInterval: 3_600_000 });
    await until("open", () => client.getSnapshot().isConnected);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 7_200_000 });
    // Into a link that may be dead goes nothing but the question whether it is.
    await expect(client.ping()).rejects.toThrow(PingError);
    expect((await peer.next("ping")).id).toMatch(/^ping-/);
    expect(peer.frames).toHaveLength(1);
  });

  test("while waiting, online dials at once; offline only marks", async () => {
    const page = stubPage();
    const server = await scripted();
    const client = connectClient({ url: server.url, reconnectDelay: 3_600_000, maxReconnectDelay: 3_600_000 });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    page.window.dispatchEvent(new Event("offline"));
    expect(client.getSnapshot()).toMatchObject({ isConnected: true, isOffline: true });
    peer.socket.close(1011);
    await until("waiting", () => client.getSnapshot().state.type === "waiting");
    expect(client.getSnapshot()).toMatchObject({ isConnecting: true, readyState: 3 });
    page.window.dispatchEvent(new Event("online"));
    await server.established(2);
    await until("open again", () => client.getSnapshot().isConnected);
    expect(client.getSnapshot().isOffline).toBe(false);
  });
});

describe("6. Heartbeat", () => {
  test("pings at the smaller interval, any frame counts, two intervals of silence end it", async () => {
    useOwnTime();
    const server = await scripted();
    const client = connectClient({ url: server.url, heartbeatInterval: 30_000 });
    const peer = await server.established(1, { heartbeatInterval: 10_000 });
    await until("open", () => client.getSnapshot().isConnected);
    await vi.advanceTimersByTimeAsync(10_000);
    const { id } = await peer.next("ping");
    peer.say({ type: "pong", id });
    await until("measured", () => client.getStats().latencyMs !== undefined);
    await vi.advanceTimersByTimeAsync(15_000);
    // Not a pong, and not even a message: a life sign all the same.
    const before = client.getStats().messagesReceived;
    peer.say("nonsense");
    await until("heard", () => client.getStats().messagesReceived > before);
    await vi.advanceTimersByTimeAsync(19_999);
    expect(client.getSnapshot().isConnected).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(client.getSnapshot().isConnected).toBe(false);
    await until("closed", () => peer.closed);
  });

  test("a hidden tab enforces no deadline, and probes on return", async () => {
    useOwnTime();
    const page = stubPage();
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1, { heartbeatInterval: 1_000 });
    await until("open", () => client.getSnapshot().isConnected);
    page.hide();
    await vi.advanceTimersByTimeAsync(60_000);
    await until("it pings on", () => peer.frames.length > 50);
    expect(client.getSnapshot().isConnected).toBe(true);
    page.show();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(client.getSnapshot().isConnected).toBe(false);
  });

  test("into an overdue link nothing is sent", async () => {
    useOwnTime();
    const page = stubPage();
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1, { heartbeatInterval: 1_000 });
    await until("open", () => client.getSnapshot().isConnected);
    page.hide();
    await vi.advanceTimersByTimeAsync(10_000);
    client.sendChatMessage("c1", { text: "hello" });
    client.startTyping("c1");
    await settle();
    expect(new Set(peer.frames.map(({ type }) => type))).toEqual(new Set(["ping"]));
    expect(client.getSnapshot().queuedMessageCount).toBe(1);
  });

  test("pagehide closes, the way back from the cache dials", async () => {
    const page = stubPage();
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    page.leave();
    await until("closed", () => peer.closed);
    expect(client.getSnapshot().isConnected).toBe(false);
    page.comeBack();
    await server.established(2);
    await until("open again", () => client.getSnapshot().isConnected);
  });
});

describe("7. isConnected means established and authenticated", () => {
  test("an open socket is not enough", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.peer(1);
    expect(client.getSnapshot()).toMatchObject({ isConnected: false, isConnecting: true, readyState: 0 });
    await settle();
    expect(client.getSnapshot().isConnected).toBe(false);
    expect(client.log).not.toContain("open");
    let seen: boolean | undefined;
    client.addHandlers(() => ({ onOpen: () => (seen = client.getSnapshot().isConnected) }));
    peer.establish();
    await until("open", () => client.log.includes("open"));
    expect(seen).toBe(true);
    expect(client.getSnapshot()).toMatchObject({
      readyState: 1,
      state: { type: "connected" },
      identity: { userId: "grace", userType: "user" },
    });
  });
});
