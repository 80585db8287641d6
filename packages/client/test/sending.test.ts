/** Messages on their way, and what is never queued. */

import { afterEach, describe, expect, test, vi } from "vitest";

import type { MessageContent } from "@cossistant/protocol/types";
import { SendError } from "../src/index.js";
import { connectClient, makeClient, scripted } from "./support/clients.js";
import { ackOf, confirmation } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

afterEach(() => {
  vi.useRealTimers();
});

const codeOf = async (sent: Promise<unknown>): Promise<string> => {
  const error = await sent.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SendError)) throw new Error(`not refused: ${error}`);
  return error.code;
};

describe("11. Only messages are queued", () => {
  test("one of a conversation is in flight at a time, conversations do not wait for each other", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const sent = [
      client.sendChatMessage("c1", { text: "one" }),
      client.sendChatMessage("c1", { text: "two" }),
      client.sendChatMessage("c2", { text: "three" }),
    ];
    const peer = await server.established(1);
    const one = await peer.next("send_message");
    const three = await peer.next("send_message");
    expect([one.content.text, three.content.text]).toEqual(["one", "three"]);
    await settle();
    expect(peer.frames).toHaveLength(2);
    expect(client.getQueuedMessages().map(({ content, isSending }) => [content.text, isSending])).toEqual([
      ["one", true],
      ["two", false],
      ["three", true],
    ]);
    peer.say(ackOf(one, 1));
    const two = await peer.next("send_message");
    peer.say(ackOf(two, 2));
    peer.say(ackOf(three, 1));
    expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual([1, 2, 1]);
    expect(client.getSnapshot().queuedMessageCount).toBe(0);
  });

  test("beyond maxQueueSize the caller is refused, before and after the engine is there", async () => {
    const server = await scripted();
    const client = makeClient({ url: server.url, maxQueueSize: 2 });
    const send = () => client.sendChatMessage("c1", { text: "hello" });
    void send();
    void send();
    expect(await codeOf(send())).toBe("queue_full");
    client.connect();
    await server.peer(1);
    expect(await codeOf(send())).toBe("queue_full");
    expect(client.log.filter((line) => line === "failed queue_full")).toHaveLength(2);
    expect(client.getSnapshot().queuedMessageCount).toBe(2);
  });

  test("without a queue a message needs a connection", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url, enableMessageQueue: false });
    const peer = await server.peer(1);
    expect(await codeOf(client.sendChatMessage("c1", { text: "early" }))).toBe("not_connected");
    peer.establish();
    await until("open", () => client.getSnapshot().isConnected);
    const lost = client.sendChatMessage("c1", { text: "lost" });
    await peer.next("send_message");
    peer.socket.terminate();
    expect(await codeOf(lost)).toBe("not_connected");
  });

  test("what breaks a rule is refused here, with the field", async () => {
    const client = makeClient({ url: "ws://127.0.0.1:9/ws" });
    const failed: string[] = [];
    client.addHandlers(() => ({ onMessageFailed: ({ error }) => failed.push(`${error.code} ${error.details?.path}`) }));
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    const contents: [MessageContent, string][] = [
      [{}, "content"],
      [{ text: "x".repeat(16_001) }, "content.text"],
      [{ text: "half \ud800" }, "content.text"],
      [{ text: "x", metadata: circle }, ""],
      [{ text: "x", metadata: { half: "\\\udc00" } }, ""],
      [{ html: "\ud83d" }, ""],
    ];
    for (const [content, path] of contents) {
      const error = await client.sendChatMessage("c1", content).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(SendError);
      expect(error).toMatchObject({ code: "invalid_message", details: { path } });
    }
    expect(await codeOf(client.sendChatMessage("no id", { text: "x" }))).toBe("invalid_message");
    const large = { text: "😀".repeat(8_000), html: "😀".repeat(10_000) };
    expect(await codeOf(client.sendChatMessage("c1", large))).toBe("too_large");
    expect(failed).toHaveLength(8);
    expect(client.getSnapshot().queuedMessageCount).toBe(0);
    // The number of half a character is a text like any other.
    for (const text of ["\\ud800", "\\\\ud800", "😀\\udc00"]) void client.sendChatMessage("c1", { text });
    expect(client.getSnapshot().queuedMessageCount).toBe(3);
  });

  test("a promise that is ignored makes no unhandled rejection", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const client = makeClient({ url: "ws://127.0.0.1:9/ws" });
    void client.sendChatMessage("c1", {});
    void client.ping();
    await settle();
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe("12. In the outbox until the ack or a permanent error", () => {
  test("after a reconnect it goes again with the same id, saying the same", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const content = { text: "hello" };
    const sent = client.sendChatMessage("c1", content, { n: 1 }, { id: "key-1", visibility: "internal" });
    content.text = "changed behind its back";
    const first = await server.established(1);
    const frame = await first.next("send_message");
    expect(frame).toEqual({
      type: "send_message",
      id: "key-1",
      conversationId: "c1",
      content: { text: "hello" },
      metadata: { n: 1 },
      visibility: "internal",
    });
    first.socket.terminate();
    const second = await server.established(2);
    const again = await second.next("send_message");
    expect(again).toEqual(frame);
    second.say({ ...ackOf(again), duplicate: true } as never);
    expect(await sent).toMatchObject({ id: "key-1", duplicate: true });
  });

  test("a second one of the same id is refused to its caller alone", async () => {
    const client = makeClient({ url: "ws://127.0.0.1:9/ws" });
    void client.sendChatMessage("c1", { text: "one" }, undefined, { id: "same" });
    expect(await codeOf(client.sendChatMessage("c1", { text: "two" }, undefined, { id: "same" }))).toBe("duplicate_id");
    expect(client.log).toEqual([]);
    expect(client.getQueuedMessages().map(({ content }) => content.text)).toEqual(["one"]);
  });

  test.each(["unavailable", "rate_limited", "internal"])("%s waits for retryAfter and goes again", async (code) => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const sent = client.sendChatMessage("c1", { text: "hello" });
    const peer = await server.established(1);
    const { id = "" } = await peer.next("send_message");
    peer.say({ type: "error", id, code, error: "later", retryAfter: 1 });
    await until("it waits", () => client.getQueuedMessages()[0]?.isSending === false);
    const again = await peer.next("send_message");
    expect(again.id).toBe(id);
    peer.say(ackOf(again));
    await sent;
  });

  test.each(["unauthorized", "token_expired"])("%s is kept until a token is accepted", async (code) => {
    const server = await scripted();
    let asked = 0;
    const client = connectClient({ url: server.url, getToken: () => `token-${(asked += 1)}` });
    const sent = client.sendChatMessage("c1", { text: "hello" });
    const peer = await server.established(1);
    const { id } = await peer.next("send_message");
    peer.say({ type: "error", id, code, error: "no" });
    const renewal = await peer.next("authenticate");
    expect(renewal.token).toBe("token-2");
    await settle();
    expect(peer.frames.filter(({ type }) => type === "send_message")).toHaveLength(1);
    peer.say({ type: "authenticated", id: renewal.id, expiresAt: "2030-01-01T00:00:00.000Z" });
    const again = await peer.next("send_message");
    peer.say(ackOf(again));
    await sent;
  });

  test.each(["forbidden", "conflict", "not_found", "of_the_future"])("%s fails at once", async (code) => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const sent = client.sendChatMessage("c1", { text: "hello" });
    const peer = await server.established(1);
    const { id } = await peer.next("send_message");
    peer.say({ type: "error", id, code, error: "in words", details: { status: "closed" } });
    const error = await sent.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "SendError", code, id, message: "in words", details: { status: "closed" } });
    expect(client.log).toContain(`failed ${code}`);
  });

  test("without an answer the link is probed and it goes again; it fails only by its age", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const server = await scripted();
    const client = connectClient({ url: server.url, requestTimeout: 10_000, maxQueueAge: 60_000 });
    const sent = client.sendChatMessage("c1", { text: "hello" });
    const peer = await server.established(1);
    const { id } = await peer.next("send_message");
    await vi.advanceTimersByTimeAsync(10_000);
    const probe = await peer.next("ping");
    expect((await peer.next("send_message")).id).toBe(id);
    peer.say({ type: "pong", id: probe.id });
    const failure = codeOf(sent);
    await settle();
    for (let round = 0; round < 60; round += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      peer.say({ type: "reconnect", reason: "a life sign" });
      await settle();
    }
    expect(await failure).toBe("too_old");
  });

  test("a ping resolves with the round trip, and fails without an answer", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url, requestTimeout: 50 });
    await expect(client.ping()).rejects.toThrow("not sent");
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    const answered = client.ping();
    peer.say({ type: "pong", id: (await peer.next("ping")).id });
    expect(await answered).toBeGreaterThanOrEqual(0);
    await expect(client.ping()).rejects.toMatchObject({ name: "PingError" });
  });
});

describe("13. Typing, viewing and pings are never queued", () => {
  test("without a connection they are forgotten", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.peer(1);
    client.startTyping("c1");
    client.sendTypingProgress("c1", "draft");
    client.sendMessage({ type: "mark_seen", conversationId: "c1", seq: 1 });
    client.sendMessage({ type: "viewing_start", conversationId: "c1" });
    peer.establish();
    await until("open", () => client.getSnapshot().isConnected);
    await settle();
    expect(peer.frames).toEqual([]);
    client.sendMessage({ type: "mark_seen", conversationId: "c1", seq: 1 });
    expect(await peer.next("mark_seen")).toEqual({ type: "mark_seen", conversationId: "c1", seq: 1 });
  });

  test("the first change goes at once, the last is never lost, the same is not sent twice", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    for (const text of ["h", "he", "hel", "hel"]) client.sendTypingProgress("c1", text);
    expect((await peer.next("typing_progress")).content).toBe("h");
    await vi.advanceTimersByTimeAsync(100);
    expect((await peer.next("typing_progress")).content).toBe("hel");
    client.sendTypingProgress("c1", "hel");
    client.sendTypingProgress("c1", "");
    await vi.advanceTimersByTimeAsync(100);
    expect((await peer.next("typing_progress")).content).toBe("");
    client.sendTypingProgress("c1", "bye");
    await vi.advanceTimersByTimeAsync(3_100);
    await peer.next("typing_stop");
    expect(peer.frames.filter(({ type }) => type === "typing_progress")).toHaveLength(4);
  });

  test("a send ends the typing", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    client.sendTypingProgress("c1", "hello");
    void client.sendChatMessage("c1", { text: "hello" });
    await peer.next("send_message");
    await until("the stop", () => peer.frames.some(({ type }) => type === "typing_stop"));
  });

  test("a draft is cut to what the server takes, at a whole character", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    client.sendTypingProgress("c1", "😀".repeat(3_000));
    expect((await peer.next("typing_progress")).content).toBe("😀".repeat(2_000));
  });
});

describe("sendMessage goes the way of the functions", () => {
  test("each type where it belongs", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.sendMessage({ type: "subscribe_conversation", conversationId: "c1" });
    client.sendMessage({ type: "subscribe_website", websiteId: "w1" });
    client.sendMessage({ type: "send_message", conversationId: "c2", content: { text: "hi" }, id: "mine" });
    expect(Object.keys(client.getSnapshot().subscriptionStates)).toEqual(["conversation:c1", "website:w1"]);
    const peer = await server.established(1);
    peer.say(confirmation((await peer.next("subscribe_conversation")).id, "conversation:c1"));
    peer.say(confirmation((await peer.next("subscribe_website")).id, "website:w1"));
    expect((await peer.next("send_message")).id).toBe("mine");
    client.sendMessage({ type: "typing_start", conversationId: "c1" });
    await peer.next("typing_start");
    client.sendMessage({ type: "ping", id: "p1" });
    expect((await peer.next("ping")).id).toBe("p1");
    client.sendMessage({ type: "unsubscribe_website", websiteId: "w1" });
    await peer.next("unsubscribe_website");
  });
});
