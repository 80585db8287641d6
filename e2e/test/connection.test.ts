/** Connections, in Chromium, over networks that fail. The numbers are those of the behaviours that the client promises. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { World } from "../harness/world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

test("1: what a replaced connection still says changes nothing", async () => {
  const conversation = unique("late");
  const tab = await world.open({ person: "visitor:late", conversations: [conversation], config: { heartbeatInterval: 1_000 } });
  await tab.connected();
  // The frames that the server sends into the hole arrive once it is gone, when another connection has taken over.
  await world.proxy.set({ type: "blackHole" });
  const team = await world.server.token("user", "grace");
  const body = { id: unique("m"), content: { text: "held" } };
  await world.server.api("POST", `/v1/conversations/${conversation}/messages`, body, team);
  await tab.event("onClose");
  await world.proxy.set({ type: "pass" });
  await tab.event("onReconnectSuccess");
  await until("the message", () => tab.texts(conversation).length > 0);
  const isConnected = await tab.page.evaluate(async () => {
    await window.app.client.ping();
    return window.app.client.getSnapshot().isConnected;
  });
  expect(tab.texts(conversation)).toEqual(["held"]);
  expect(isConnected).toBe(true);
});

test("2: after disconnect() it stays disconnected, whatever happens", async () => {
  const tab = await world.open({ person: "visitor:gone" });
  await tab.connected();
  const before = world.proxy.webSockets;
  await tab.page.evaluate(() => window.app.client.disconnect());
  await until("the socket is gone", () => world.proxy.webSockets === before - 1);
  const begun = world.proxy.webSocketsBegun;
  await tab.page.evaluate(() => {
    for (const event of ["online", "pageshow", "focus"]) window.dispatchEvent(new Event(event));
    document.dispatchEvent(new Event("visibilitychange"));
  });
  // Another page connects, by another way: whatever the first one were to dial would have come before.
  const other = await world.open({ person: "visitor:other", direct: true });
  await other.connected();
  expect(world.proxy.webSocketsBegun).toBe(begun);
  expect(await tab.page.evaluate(() => window.app.client.getSnapshot().state.type)).toBe("disconnected");
  await tab.page.evaluate(() => window.app.client.connect());
  await tab.connected();
});

test("2: a released client leaves no socket", async () => {
  const tab = await world.open({ person: "visitor:released" });
  await tab.connected();
  const before = world.proxy.webSockets;
  await tab.page.evaluate(() => window.app.release());
  await until("the socket is gone", () => world.proxy.webSockets === before - 1);
});

test("3: refused dials count, and after the last one it gives up", async () => {
  const tab = await world.open({ person: "visitor:refused", config: { maxReconnectAttempts: 3 } });
  await tab.connected();
  await world.proxy.set({ type: "refuse" });
  // `refuse` lets open connections pass, so this one is closed by its server.
  await world.crash();
  await tab.event("onReconnectFail");
  expect(tab.told("onReconnectAttempt")).toEqual([1, 2, 3]);
  const { state } = await tab.page.evaluate(() => window.app.client.getSnapshot());
  expect(state).toEqual({ type: "stopped", reason: "exhausted" });
  await world.proxy.set({ type: "pass" });
  await tab.page.evaluate(() => window.app.client.connect());
  await tab.connected();
});

test("3: a dial that hangs counts as an attempt", async () => {
  await world.proxy.set({ type: "blackHole" });
  const tab = await world.open({ person: "visitor:hung", config: { connectTimeout: 500 } });
  await tab.event<number>("onReconnectAttempt", (attempt) => attempt === 2);
  await world.proxy.set({ type: "pass" });
  await tab.connected();
});

test("3: a reset connection is dialled again", async () => {
  const tab = await world.open({ person: "visitor:reset" });
  await tab.connected();
  await world.proxy.cut();
  const { code } = await tab.event<{ code: number }>("onClose");
  expect(code).toBe(1006);
  await tab.event("onReconnectSuccess");
  await tab.connected();
});

test("3: a connection that ends without a close frame is dialled again", async () => {
  const tab = await world.open({ person: "visitor:fin" });
  await tab.connected();
  await world.proxy.set({ type: "fin" });
  const { code } = await tab.event<{ code: number }>("onClose");
  await world.proxy.set({ type: "pass" });
  expect(code).toBe(1006);
  await tab.event("onReconnectSuccess");
});

test("4: a token that is refused is replaced once, and then it stops", async () => {
  const tab = await world.open({ config: {}, html: "client" });
  const requests = await tab.page.evaluate(async (url) => {
    const { createClient } = window.app;
    let asked = 0;
    const client = createClient({ url, reconnectDelay: 50, getToken: () => `bad-${(asked += 1)}` });
    client.connect();
    const state = await new Promise((resolve) => {
      const look = (): void => {
        const { state } = client.getSnapshot();
        if (state.type === "stopped") resolve(state);
      };
      client.subscribe(look);
      look();
    });
    client.destroy();
    return { asked, state };
  }, world.proxy.wsUrl);
  expect(requests).toEqual({ asked: 2, state: { type: "stopped", reason: "close", code: 4401 } });
});

test("5: back online, it does not wait out its delay", async () => {
  // One dial that a busy machine is too slow for would be followed by a minute.
  const config = { reconnectDelay: 60_000, maxReconnectDelay: 60_000, reconnectJitter: 0, heartbeatInterval: 500, connectTimeout: 20_000 };
  const tab = await world.open({ person: "visitor:online", config });
  await tab.connected();
  await tab.context.setOffline(true);
  await until("it is told", () => tab.page.evaluate(() => window.app.client.getSnapshot().isOffline));
  await world.proxy.cut();
  await tab.event<{ type: string }>("onStateChange", ({ type }) => type === "waiting");
  await tab.context.setOffline(false);
  await tab.event("onReconnectSuccess");
});

test("5: a tab that is looked at again probes its link", async () => {
  const tab = await world.open({ person: "visitor:back", config: { heartbeatInterval: 30_000 } });
  await tab.connected();
  await world.proxy.set({ type: "blackHole" });
  // By heartbeats alone the loss would show after a minute; the probe takes two seconds.
  await tab.page.evaluate(() => {
    const show = (state: string): void => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    };
    show("hidden");
    show("visible");
  });
  await tab.event("onClose");
  await world.proxy.set({ type: "pass" });
  await tab.event("onReconnectSuccess");
});

test("6: silence of two heartbeats ends a connection in a black hole", async () => {
  const tab = await world.open({ person: "visitor:silence", config: { heartbeatInterval: 500 } });
  await tab.connected();
  // The page itself takes the time from the last word that it heard: before the hole that one may have been late.
  await tab.page.evaluate(
    () =>
      new Promise<void>((hears) => {
        let heard = 0;
        const silence = new Promise<number>((ends) => {
          window.app.client.addHandlers(() => ({
            onMessage: () => {
              heard = performance.now();
              hears();
            },
            onClose: () => heard > 0 && ends(performance.now() - heard),
          }));
        });
        Object.assign(window, { silence });
      }),
  );
  await world.proxy.set({ type: "blackHole" });
  expect(await tab.page.evaluate(() => (window as unknown as { silence: Promise<number> }).silence)).toBeGreaterThan(900);
  await world.proxy.set({ type: "pass" });
  await tab.event("onReconnectSuccess");
});

test("6: a slow network is no silence", async () => {
  // Two heartbeats leave a busy machine more than a second beside what the network takes.
  await world.proxy.set({ type: "delay", delay: 600 });
  const conversation = unique("slow");
  const config = { heartbeatInterval: 2_500, connectTimeout: 20_000 };
  const tab = await world.open({ person: "visitor:slow", conversations: [conversation], config });
  await tab.connected();
  for (const text of ["a", "b", "c"]) await tab.send(conversation, text, `${conversation}-${text}`);
  await tab.acked(`${conversation}-c`);
  const latency = await tab.page.evaluate(() => window.app.client.ping());
  expect(latency).toBeGreaterThanOrEqual(1_200);
  expect(tab.told("onClose")).toEqual([]);
  await world.proxy.set({ type: "pass" });
});

test("7: an open socket is not yet a connection", async () => {
  const tab = await world.open({ person: "visitor:early" });
  await tab.connected();
  const states = tab.told<{ type: string }>("onStateChange").map(({ type }) => type);
  expect(states.indexOf("connecting")).toBeLessThan(states.indexOf("connected"));
  const order = tab.events.map(({ name, data }) => (name === "onMessage" ? (data as { type: string }).type : name));
  expect(order.indexOf("connection_established")).toBeGreaterThanOrEqual(0);
  const sockets = await tab.page.evaluate(() => window.app.client.getWebSocket()?.readyState);
  expect(sockets).toBe(1);
});

test("8, 10: over cuts in the middle of frames events come once and in order, to a holder of conversation and website", async () => {
  const conversation = unique("cuts");
  const visitor = await world.open({ person: "visitor:cuts", conversations: [conversation], direct: true });
  await visitor.connected();
  await visitor.send(conversation, "0", `${conversation}-0`);
  await visitor.acked(`${conversation}-0`);
  const team = await world.open({
    person: "user:cuts",
    conversations: [conversation],
    websites: [world.server.ready.websiteId],
  });
  await team.connected();
  const expected = ["0"];
  for (let n = 1; n <= 60; n += 1) {
    // Somewhere in the next frames, at another place each time.
    if (n % 10 === 0) await world.proxy.set({ type: "cutAfter", bytes: 37 * n });
    // A busy machine may have passed on nothing until now; of the first cut there is no doubt.
    if (n === 15) await team.event("onClose");
    if (n % 10 === 5) await world.proxy.set({ type: "pass" });
    await visitor.send(conversation, `${n}`, `${conversation}-${n}`);
    expected.push(`${n}`);
  }
  await world.proxy.set({ type: "pass" });
  await visitor.acked(`${conversation}-60`);
  const live = expected.slice(1);
  await until("all messages", () => team.texts(conversation).includes("60"), { describe: () => team.describe() });
  await team.page.evaluate(() => window.app.client.ping());
  expect(team.texts(conversation).filter((text) => text !== "0")).toEqual(live);
  expect(team.told("onResync")).toEqual([]);
  expect(team.told("onClose").length).toBeGreaterThan(0);
});

test("9: a refused subscription is told, and not asked for again", async () => {
  const conversation = unique("unknown");
  const tab = await world.open({ person: "user:refused", conversations: [conversation] });
  await tab.event("onSubscriptionError");
  await world.proxy.cut();
  await tab.event("onReconnectSuccess");
  await tab.page.evaluate(() => window.app.client.ping());
  expect(tab.told("onSubscriptionError")).toHaveLength(1);
  const states = await tab.page.evaluate(() => window.app.client.getSnapshot().subscriptionStates);
  expect(states[`conversation:${conversation}`]).toEqual({ type: "refused", code: "not_found" });
});
