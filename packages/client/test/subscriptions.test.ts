/** Wishes for channels, and what comes of them. */

import { describe, expect, test } from "vitest";

import { atEnd, connectClient, makeClient, scripted } from "./support/clients.js";
import { confirmation, newMessage, type Peer } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

const confirm = async (peer: Peer, channel: string, head = 0) => {
  const { id } = await peer.next("subscribe_conversation");
  peer.say(confirmation(id, channel, head));
};

describe("8. Subscriptions are wishes", () => {
  test("made before the connection, they are sent once after it, for any number of holders", async () => {
    const server = await scripted();
    const client = makeClient({ url: server.url });
    const [one, two] = [client.createHandle(), client.createHandle()];
    one.subscribeToConversation("c1");
    one.subscribeToConversation("c1");
    two.subscribeToConversation("c1");
    expect(client.getSnapshot().subscriptionStates).toEqual({ "conversation:c1": { type: "pending" } });
    client.connect();
    const peer = await server.peer(1);
    await settle();
    expect(peer.frames).toEqual([]);
    peer.establish();
    await confirm(peer, "conversation:c1");
    await until("confirmed", () => client.getSnapshot().subscriptions.length);
    one.unsubscribeFromConversation("c1");
    one.unsubscribeFromConversation("c1");
    await settle();
    expect(client.getSnapshot().subscriptions).toEqual(["conversation:c1"]);
    two.release();
    await peer.next("unsubscribe_conversation");
    expect(client.getSnapshot()).toMatchObject({ subscriptions: [], subscriptionStates: {} });
    expect(peer.frames.map(({ type }) => type)).toEqual(["subscribe_conversation", "unsubscribe_conversation"]);
  });

  test("after a reconnect each comes with its place, before anything else", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.subscribeToConversation("c1");
    const first = await server.established(1);
    await confirm(first, "conversation:c1", 3);
    first.say(newMessage("c1", 4));
    await until("the message", () => client.log.includes("message 4"));
    first.socket.terminate();
    void client.sendChatMessage("c1", { text: "hello" });
    const second = await server.established(2);
    const again = await second.next("subscribe_conversation");
    expect(again).toMatchObject({ conversationId: "c1", after: 4, epoch: "e1" });
    await settle();
    expect(second.frames).toHaveLength(1);
    second.say(confirmation(again.id, "conversation:c1", 4));
    await second.next("send_message");
  });

  test("a channel that nobody can name is refused here", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.subscribeToConversation("not an id");
    client.subscribeToConversation("half \ud800");
    const peer = await server.established(1);
    await until("open", () => client.getSnapshot().isConnected);
    await settle();
    expect(peer.frames).toEqual([]);
    expect(client.getSnapshot().subscriptionStates["conversation:not an id"]).toEqual({
      type: "refused",
      code: "invalid_message",
    });
    client.unsubscribeFromConversation("not an id");
    client.unsubscribeFromConversation("half \ud800");
    expect(client.getSnapshot().subscriptionStates).toEqual({});
  });
});

describe("9. A refused one is remembered, told, and not asked again on its own", () => {
  test("only subscribing again asks again", async () => {
    const server = await scripted();
    const told: string[] = [];
    const client = connectClient({ url: server.url }, { onSubscriptionError: ({ code }) => told.push(code) });
    client.subscribeToWebsite("w1");
    const first = await server.established(1);
    const { id } = await first.next("subscribe_website");
    first.say({ type: "subscription_error", id, channel: "website:w1", code: "forbidden", error: "no" });
    await until("told", () => told.length);
    const refused = { type: "refused", code: "forbidden" };
    expect(client.getSnapshot().subscriptionStates).toEqual({ "website:w1": refused });
    first.socket.terminate();
    const second = await server.established(2);
    await until("open", () => client.getSnapshot().isConnected);
    await settle();
    expect(second.frames).toEqual([]);
    client.subscribeToWebsite("w1");
    await second.next("subscribe_website");
  });

  test("one that the server ended is refused with its reason", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.subscribeToConversation("c1");
    const peer = await server.established(1);
    await confirm(peer, "conversation:c1");
    peer.say({ type: "subscription_ended", channel: "conversation:c1", reason: "revoked" });
    const state = () => client.getSnapshot().subscriptionStates["conversation:c1"];
    await until("ended", () => state()?.type === "refused");
    expect(state()).toEqual({ type: "refused", code: "revoked" });
  });
});

describe("10. Events come in order and once", () => {
  test("echoes are dropped, a hole makes it reconnect, one that stays is told", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.subscribeToConversation("c1");
    const first = await server.established(1);
    await confirm(first, "conversation:c1");
    for (const seq of [1, 2, 2, 1, 3]) first.say(newMessage("c1", seq));
    first.say(newMessage("c1", 5));
    const second = await server.established(2);
    const again = await second.next("subscribe_conversation");
    expect(again.after).toBe(3);
    second.say({ ...confirmation(again.id, "conversation:c1", 5), replayed: 2 } as never);
    for (const seq of [4, 5, 6]) second.say(newMessage("c1", seq));
    await until("the last", () => client.log.includes("message 6"));
    expect(client.log.filter((line) => line.startsWith("message"))).toEqual(
      [1, 2, 3, 4, 5, 6].map((seq) => `message ${seq}`),
    );
    second.socket.terminate();
    const third = await server.established(3);
    const { id } = await third.next("subscribe_conversation");
    third.say({ ...confirmation(id, "conversation:c1", 2_000), recovered: false } as never);
    await until("told", () => client.log.includes("resync conversation:c1"));
  });

  test("a replay that is cut off is asked for again from where it was", async () => {
    const server = await scripted();
    const client = connectClient({ url: server.url });
    client.subscribeToConversation("c1");
    const first = await server.established(1);
    await confirm(first, "conversation:c1");
    first.say(newMessage("c1", 1));
    await until("the first", () => client.log.includes("message 1"));
    for (let round = 0; round < 10; round += 1) {
      server.peers.at(-1)?.socket.terminate();
      const peer = await server.established(server.peers.length + 1);
      const { id, after } = await peer.next("subscribe_conversation");
      expect(after).toBe(round + 1);
      peer.say(confirmation(id, "conversation:c1", 20));
      peer.say(newMessage("c1", round + 2));
      await until(`message ${round + 2}`, () => client.log.includes(`message ${round + 2}`));
    }
    atEnd(() => client.disconnect());
    expect(client.log.filter((line) => line.startsWith("message"))).toHaveLength(11);
  });
});
