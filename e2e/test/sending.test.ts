/** Sending, in Chromium: what was sent is stored once, in order, and acknowledged, whatever the network does. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { type Tab, World } from "../harness/world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** The stored texts of a conversation. */
async function stored(conversation: string): Promise<string[]> {
  return (await world.server.messages(conversation)).map(({ content }) => content?.text ?? "");
}

/** Sends `count` numbered messages without waiting for any. */
async function sendMany(tab: Tab, conversation: string, count: number): Promise<string[]> {
  await tab.page.evaluate(
    ([conversationId, total]) => {
      for (let n = 0; n < total; n += 1) window.app.send(conversationId, `${n}`, `${conversationId}-${n}`);
    },
    [conversation, count] as const,
  );
  return Array.from({ length: count }, (_, n) => `${n}`);
}

test("11: what was sent offline goes in order, and the one too many is refused to its caller", async () => {
  const conversation = unique("queue");
  const tab = await world.open({ person: "visitor:queue", config: { maxQueueSize: 20, heartbeatInterval: 500 } });
  await tab.connected();
  await world.proxy.set({ type: "refuse" });
  await world.crash();
  await tab.event("onClose");
  const sent = await sendMany(tab, conversation, 21);
  expect(await tab.event<{ id: string; code: string }>("failed")).toMatchObject({ id: `${conversation}-20`, code: "queue_full" });
  expect(await tab.page.evaluate(() => window.app.client.getSnapshot().queuedMessageCount)).toBe(20);
  await world.proxy.set({ type: "pass" });
  await tab.acked(`${conversation}-19`);
  expect(await stored(conversation)).toEqual(sent.slice(0, 20));
});

test("12: a message that the network held and delivered late is there once", async () => {
  const conversation = unique("held");
  const tab = await world.open({ person: "visitor:held", config: { heartbeatInterval: 500 } });
  await tab.connected();
  await world.proxy.set({ type: "blackHole" });
  await tab.send(conversation, "only once", `${conversation}-1`);
  await tab.event("onClose");
  // Now the old connection's bytes arrive, and the new connection's too.
  await world.proxy.set({ type: "pass" });
  await tab.acked(`${conversation}-1`);
  await tab.send(conversation, "after it", `${conversation}-2`);
  await tab.acked(`${conversation}-2`);
  expect(await stored(conversation)).toEqual(["only once", "after it"]);
});

test("12: a message that the browser held while offline is there once", async () => {
  const conversation = unique("offline");
  const tab = await world.open({ person: "visitor:offline", config: { heartbeatInterval: 500 } });
  await tab.connected();
  await tab.context.setOffline(true);
  await tab.send(conversation, "only once", `${conversation}-1`);
  await tab.event("onClose");
  await tab.context.setOffline(false);
  await tab.acked(`${conversation}-1`);
  await tab.send(conversation, "after it", `${conversation}-2`);
  await tab.acked(`${conversation}-2`);
  expect(await stored(conversation)).toEqual(["only once", "after it"]);
});

test("12: over cuts at every place of a frame each message is stored once, in order", async () => {
  const conversation = unique("cut");
  const tab = await world.open({ person: "visitor:cut", conversations: [conversation] });
  await tab.connected();
  // Before the first word, or else all may be through before the first cut.
  await world.proxy.set({ type: "cutAfter", bytes: 300 });
  const sent = await sendMany(tab, conversation, 40);
  for (let bytes = 300; bytes < 3_300; bytes += 250) {
    await world.proxy.set({ type: "cutAfter", bytes });
    await tab.event("onReconnectAttempt", () => true, tab.told("onReconnectAttempt").length + 1);
  }
  await world.proxy.set({ type: "pass" });
  await tab.acked(`${conversation}-39`);
  expect(await stored(conversation)).toEqual(sent);
  await until("its own echo of each", () => tab.texts(conversation).length >= 40, { describe: () => tab.describe() });
  expect(tab.texts(conversation)).toEqual(sent);
});

test("12: kill -9 of the server loses and doubles nothing", async () => {
  const conversation = unique("kill");
  const tab = await world.open({ person: "visitor:kill", conversations: [conversation] });
  await tab.connected();
  const sent = await sendMany(tab, conversation, 60);
  await tab.acked(`${conversation}-5`);
  await world.crash();
  await tab.acked(`${conversation}-59`);
  expect(await stored(conversation)).toEqual(sent);
});

test("12: a queue that is kept outlives a reload, in order", async () => {
  const conversation = unique("reload");
  const tab = await world.open({ person: "visitor:reload", config: { persistQueue: true } });
  await tab.connected();
  await world.proxy.set({ type: "refuse" });
  await world.crash();
  await tab.event("onClose");
  const sent = await sendMany(tab, conversation, 10);
  await until("ten wait", () => tab.page.evaluate(() => window.app.client.getSnapshot().queuedMessageCount === 10));
  await tab.page.reload();
  await until("ten wait again", () => tab.page.evaluate(() => window.app.client.getSnapshot().queuedMessageCount === 10));
  await tab.send(conversation, "10", `${conversation}-10`);
  await world.proxy.set({ type: "pass" });
  await tab.acked(`${conversation}-10`);
  expect(await stored(conversation)).toEqual([...sent, "10"]);
  await tab.page.reload();
  await tab.connected();
  expect(await tab.page.evaluate(() => window.app.client.getSnapshot().queuedMessageCount)).toBe(0);
});

test("12: what is written in the very moment in which a page goes is kept, in order", async () => {
  const conversation = unique("moment");
  const tab = await world.open({ person: "visitor:moment", config: { persistQueue: true } });
  await tab.connected();
  await world.proxy.set({ type: "refuse" });
  await world.crash();
  const rounds = 20;
  for (let round = 0; round < rounds; round += 1) {
    const loaded = tab.page.waitForEvent("load");
    await tab.page.evaluate(
      ([conversationId, n]) => {
        for (const id of [3 * n, 3 * n + 1, 3 * n + 2]) window.app.send(conversationId, `${id}`, `${conversationId}-${id}`);
        location.reload();
      },
      [conversation, round] as const,
    );
    await loaded;
    await until(
      `all ${3 * (round + 1)} wait`,
      () => tab.page.evaluate((count) => window.app.client.getSnapshot().queuedMessageCount === count, 3 * (round + 1)),
      { describe: async () => `${await tab.page.evaluate(() => window.app.client.getSnapshot().queuedMessageCount)} wait` },
    );
  }
  await world.proxy.set({ type: "pass" });
  await tab.acked(`${conversation}-${3 * rounds - 1}`);
  expect(await stored(conversation)).toEqual(Array.from({ length: 3 * rounds }, (_, n) => `${n}`));
});

test("12: a queue is taken over also when its code could not be loaded at first", async () => {
  const conversation = unique("late");
  const tab = await world.open({ person: "visitor:late", config: { persistQueue: true } });
  await tab.connected();
  await world.proxy.set({ type: "refuse" });
  await world.crash();
  await tab.event("onClose");
  const sent = await sendMany(tab, conversation, 5);
  await until("five wait", () => tab.page.evaluate(() => window.app.client.getSnapshot().queuedMessageCount === 5));
  let refused = 0;
  await tab.page.route(/\/(queue|extras)-\w+\.js$/, (route) => (++refused > 2 ? route.continue() : route.abort()));
  await tab.page.reload();
  await until("its code was asked for in vain", () => refused >= 2);
  await world.proxy.set({ type: "pass" });
  await tab.acked(`${conversation}-4`);
  expect(await stored(conversation)).toEqual(sent);
});

test("12: what a wrong message is refused for reaches its sender, and the next one goes", async () => {
  const conversation = unique("wrong");
  const tab = await world.open({ person: "visitor:wrong" });
  await tab.connected();
  await tab.send(conversation, "", `${conversation}-1`);
  await tab.send(conversation, "right", `${conversation}-2`);
  const { code } = await tab.event<{ id: string; code: string }>("onMessageFailed", ({ id }) => id === `${conversation}-1`);
  expect(code).toBe("invalid_message");
  await tab.acked(`${conversation}-2`);
  expect(await stored(conversation)).toEqual(["right"]);
});

test("13: the last text of a draft arrives, and typing blocks no message", async () => {
  const conversation = unique("draft");
  const visitor = await world.open({ person: "visitor:draft", conversations: [conversation] });
  await visitor.connected();
  const team = await world.open({ person: "user:draft", conversations: [conversation] });
  await team.connected();
  const type = (...texts: string[]): Promise<void> =>
    visitor.page.evaluate(
      ([conversationId, ...written]) => {
        for (const text of written) window.app.client.sendTypingProgress(conversationId ?? "", text);
      },
      [conversation, ...texts],
    );
  const drafts = (): string[] =>
    team
      .told<{ type: string; content?: string }>("onMessage")
      .filter(({ type }) => type === "typing_progress")
      .map(({ content }) => content ?? "");
  await type("H");
  // On a machine that is busy the server may leave out what newer text replaces, so nothing newer comes before it is here.
  await until("the first letter", () => drafts()[0] === "H", { describe: () => team.describe() });
  await type("He", "Hel", "Hell", "Hello");
  await until("the whole draft", () => drafts().at(-1) === "Hello", { describe: () => team.describe() });
  expect(drafts().length).toBeLessThan(5);
  await visitor.send(conversation, "Hello", `${conversation}-1`);
  await until("the message", () => team.texts(conversation).includes("Hello"));
  await team.event<{ type: string; isTyping?: boolean }>("onMessage", (it) => it.type === "typing_indicator" && it.isTyping === false);
});

test("10: of a burst of 1,000 messages none is lost and the order is kept", async () => {
  const { websiteId } = world.server.ready;
  const team = await world.open({ person: "user:burst", websites: [websiteId] });
  await team.connected();
  const token = await world.server.token("user", "grace");
  // Twenty conversations at once, fifty messages in each.
  const conversations = Array.from({ length: 20 }, () => unique("burst"));
  const expected = Array.from({ length: 50 }, (_, n) => `${n}`);
  await Promise.all(
    conversations.map(async (conversationId) => {
      await world.server.api("POST", "/v1/conversations", { websiteId, visitorId: "burst", conversationId }, token);
      for (const text of expected) {
        const body = { id: `${conversationId}-${text}`, content: { text } };
        await world.server.api("POST", `/v1/conversations/${conversationId}/messages`, body, token);
      }
    }),
  );
  for (const conversationId of conversations) {
    await until("the last one", () => team.texts(conversationId).includes("49"), { describe: () => team.describe() });
    expect(team.texts(conversationId)).toEqual(expected);
  }
});
