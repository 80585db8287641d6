/** What comes in, and who hears it. */

import { afterEach, describe, expect, test, vi } from "vitest";

import { connectClient, scripted } from "./support/clients.js";
import { newMessage } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Errors that end up as unhandled, which vitest itself must not see. */
function catchUnhandled(): unknown[] {
  const caught: unknown[] = [];
  const own = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => caught.push(error));
  restore = () => {
    process.removeAllListeners("uncaughtException");
    for (const listener of own) process.on("uncaughtException", listener);
  };
  return caught;
}
let restore = () => {};
afterEach(() => {
  restore();
  restore = () => {};
});

describe("14. Every inbound frame is validated", () => {
  test("an invalid one is counted, logged without its text, and skipped", async () => {
    const server = await scripted();
    const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
    const heard: unknown[] = [];
    const client = connectClient(
      { url: server.url, debug: true, getToken: () => "secret-token" },
      { onMessage: (message) => heard.push(message.type) },
    );
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    const good = newMessage("c1", 1, "secret words");
    const bad: unknown[] = [
      "secret words",
      '{"type":"new_message"',
      "[]",
      "null",
      { ...good, seq: 2 ** 53 },
      { ...good, seq: -1 },
      { ...good, seq: 1.5 },
      { ...good, messageId: "" },
      { ...good, content: { text: "secret words \ud800" } },
      { ...good, createdAt: "yesterday" },
      { type: 7 },
    ];
    for (const frame of bad) peer.say(typeof frame === "string" ? frame : JSON.stringify(frame));
    peer.socket.send(Buffer.from("binary"));
    const deep = `{"type":"new_message","metadata":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`;
    peer.say(deep);
    peer.say(good);
    await until("the good one", () => client.log.includes("message 1"));
    expect(heard).toEqual(["connection_established", "new_message"]);
    expect(client.getStats().messagesReceived).toBe(bad.length + 4);
    void client.sendChatMessage("c1", { text: "secret words" });
    client.sendTypingProgress("c1", "secret words");
    await peer.next("send_message");
    const said = debug.mock.calls.map((call) => JSON.stringify(call)).join("\n");
    expect(said).toContain("skipped");
    expect(said).not.toContain("secret");
  });

  test("an unknown type reaches onMessage only", async () => {
    const server = await scripted();
    const heard: unknown[] = [];
    const client = connectClient(
      { url: server.url },
      { onMessage: (message) => heard.push(message), onServerError: () => heard.push("error") },
    );
    client.on("constructor" as never, () => heard.push("listened"));
    const peer = await server.established(1);
    const unknown = { type: "hologram", conversationId: "c1", seq: 7, nested: { deep: true } };
    for (const type of ["hologram", "constructor", "__proto__"]) peer.say({ ...unknown, type });
    peer.say('{"type":"hologram","__proto__":{"isAdmin":true}}');
    await until("all", () => heard.length === 5);
    expect(heard.slice(1, 2)).toEqual([unknown]);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(heard).not.toContain("listened");
    expect(client.getSnapshot().isConnected).toBe(true);
  });

  test("bytes and frames are counted", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    const before = client.getStats();
    peer.say(newMessage("c1", 1, "größer 😀"));
    await until("it", () => client.log.includes("message 1"));
    void client.sendChatMessage("c1", { text: "größer 😀" });
    const sent = await peer.next("send_message");
    const after = client.getStats();
    expect(after.bytesReceived - before.bytesReceived).toBe(
      Buffer.byteLength(JSON.stringify(newMessage("c1", 1, "größer 😀"))),
    );
    expect(after.bytesSent - before.bytesSent).toBe(Buffer.byteLength(JSON.stringify(sent)));
    expect(after.messagesSent - before.messagesSent).toBe(1);
    expect(after.connectTime).toBeGreaterThan(Date.now() - 10_000);
  });
});

describe("15. Handlers", () => {
  test("one that throws affects no other and not the connection", async () => {
    const caught = catchUnhandled();
    const server = await scripted();
    const heard: string[] = [];
    const client = connectClient({ url: server.url });
    client.addHandlers(() => ({
      onMessage: () => {
        throw new Error("first");
      },
      onNewMessage: () => heard.push("own"),
    }));
    const remove = client.addHandlers(() => {
      throw new Error("no handlers");
    });
    client.addHandlers(() => ({ onMessage: () => heard.push("any"), onNewMessage: () => heard.push("other") }));
    client.on("new_message", () => {
      throw new Error("listener");
    });
    client.on("new_message", () => heard.push("listener"));
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    await settle();
    heard.length = 0;
    caught.length = 0;
    peer.say(newMessage("c1", 1));
    await until("heard by all", () => heard.includes("listener"));
    // `onMessage` of all first, then the specific ones, then the listeners.
    expect(heard).toEqual(["any", "own", "other", "listener"]);
    remove();
    await settle();
    expect(caught.map((error) => (error as Error).message)).toEqual(
      expect.arrayContaining(["first", "no handlers", "listener"]),
    );
    expect(client.getSnapshot().isConnected).toBe(true);
  });

  test("the newest are called, removed ones are not, and they may call the client", async () => {
    const server = await scripted();
    const heard: string[] = [];
    const client = connectClient({ url: server.url });
    let current = "old";
    const remove = client.addHandlers(() => ({
      onNewMessage: ({ conversationId, seq }) => {
        heard.push(`${current} ${seq}`);
        void client.sendChatMessage(conversationId, { text: `answer ${seq}` });
        client.subscribeToConversation("c2");
      },
    }));
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    peer.say(newMessage("c1", 1));
    await peer.next("send_message");
    current = "new";
    peer.say(newMessage("c1", 2));
    await until("the second", () => heard.length === 2);
    remove();
    remove();
    peer.say(newMessage("c1", 3));
    await until("the third", () => client.log.includes("message 3"));
    expect(heard).toEqual(["old 1", "new 2"]);
    expect(peer.frames.map(({ type }) => type)).toEqual(["send_message", "subscribe_conversation"]);
    expect(client.getQueuedMessages().map(({ content }) => content.text)).toEqual(["answer 1", "answer 2"]);
  });

  test("destroying the client inside of a handler ends it there", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.addHandlers(() => ({ onNewMessage: () => client.destroy() }));
    const sent = client.sendChatMessage("c1", { text: "hello" });
    const failure = sent.catch((reason: unknown) => reason);
    const peer = await server.established(1);
    peer.say(newMessage("c1", 1));
    peer.say(newMessage("c1", 2));
    await until("closed", () => peer.closed);
    expect(await failure).toMatchObject({ code: "not_connected" });
    expect(client.log).not.toContain("message 2");
    await expect(client.sendChatMessage("c1", { text: "x" })).rejects.toMatchObject({ code: "not_connected" });
    client.connect();
    await settle();
    expect(server.peers).toHaveLength(1);
  });
});
