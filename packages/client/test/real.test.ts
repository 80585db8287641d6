/** The client against the real server. */

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { createClient, type Client, type WebSocketConfig } from "../src/index.js";
import { makeLocks } from "./support/locks.js";
import { startReal, type RealServer } from "./support/real.js";
import { until } from "./support/wait.js";

let server: RealServer;
beforeAll(async () => {
  server = await startReal();
});
afterAll(() => server.stop());

afterEach(() => {
  vi.unstubAllGlobals();
});

const connect = (config: WebSocketConfig): Client => {
  const client = createClient({ url: server.wsUrl, visitorTokenStore: "memory", ...config });
  client.connect();
  return client;
};

describe("with the real server", () => {
  test("a visitor and a user talk", async () => {
    const visitor = connect({ publicKey: "pk_dev" });
    const user = connect({ getToken: () => server.token("user", "grace") });
    const heard: string[] = [];
    user.on("new_message", ({ content }) => heard.push(content?.text ?? ""));
    user.subscribeToWebsite("website-123");
    await until("the website is confirmed", () => user.getSnapshot().subscriptions.length);
    const acks = ["one", "two", "three"].map((text) => visitor.sendChatMessage("real-1", { text }));
    expect((await Promise.all(acks)).map(({ seq }) => seq)).toEqual([2, 3, 4]);
    await until("all are heard", () => heard.length === 3);
    expect(heard).toEqual(["one", "two", "three"]);
    const { conversations } = await user.request<{ conversations: unknown[] }>(
      "GET",
      "/v1/websites/website-123/conversations",
    );
    expect(conversations).toHaveLength(1);
    visitor.destroy();
    user.destroy();
  });
});

describe("12. In the outbox until the ack, with the real server", () => {
  test("a server that is killed again and again loses nothing and stores nothing twice", async () => {
    const own = await startReal();
    const config = { url: own.wsUrl, reconnectDelay: 20, maxReconnectDelay: 100 };
    const visitor = connect({ ...config, publicKey: "pk_dev" });
    const user = connect({ ...config, getToken: () => own.token("user", "grace") });
    const heard: string[] = [];
    user.on("new_message", ({ content }) => heard.push(content?.text ?? ""));
    await visitor.sendChatMessage("kill-1", { text: "0" });
    user.subscribeToConversation("kill-1");
    await until("confirmed", () => user.getSnapshot().subscriptions.length);
    const sent: Promise<unknown>[] = [];
    for (let n = 1; n <= 30; n += 1) {
      sent.push(visitor.sendChatMessage("kill-1", { text: `${n}` }));
      if (n % 10 === 5) {
        await until("one was answered", () => visitor.getSnapshot().queuedMessageCount < 5);
        await own.kill();
        await own.restart();
      }
    }
    await Promise.all(sent);
    await until("all are heard", () => heard.length >= 30);
    expect(heard).toEqual(Array.from({ length: 30 }, (_, n) => `${n + 1}`));
    visitor.destroy();
    user.destroy();
    await own.stop();
  });
});

describe("shareAcrossTabs, with the real server", () => {
  test("tabs that come and go get everything once, in order, over one socket", async () => {
    vi.stubGlobal("navigator", { locks: makeLocks().manager, onLine: true });
    const token = await server.token("user", "grace");
    const config = { getToken: () => token, shareAcrossTabs: true, reconnectDelay: 20, maxReconnectDelay: 100 };
    const open = () => {
      const client = connect(config);
      const heard: number[] = [];
      client.on("new_message", ({ conversationId, seq }) => {
        if (conversationId === "tabs-1") heard.push(seq);
      });
      client.subscribeToConversation("tabs-1");
      return { client, heard };
    };
    const visitor = connect({ publicKey: "pk_dev" });
    const say = (n: number) => visitor.sendChatMessage("tabs-1", { text: `${n}` });
    await say(0);
    const isLive = ({ client }: ReturnType<typeof open>) => client.getSnapshot().subscriptions.length === 1;
    const tabs: ReturnType<typeof open>[] = [];
    let last = 0;
    for (let round = 1; round <= 6; round += 1) {
      tabs.push(open());
      await until("all are live", () => tabs.every(isLive));
      const owners = tabs.filter(({ client }) => client.getWebSocket() !== null);
      expect(owners).toHaveLength(1);
      const said: Promise<{ seq: number }>[] = [];
      for (let n = 0; n < 5; n += 1) said.push(say(n));
      if (round % 2 === 0) {
        // The owner goes in the middle of it.
        for (const owner of owners) {
          owner.client.destroy();
          tabs.splice(tabs.indexOf(owner), 1);
        }
      }
      last = Math.max(...(await Promise.all(said)).map(({ seq }) => seq));
      await until("all have heard all", () => tabs.every(({ heard }) => heard.at(-1) === last));
    }
    for (const { heard } of tabs) {
      expect(heard).toEqual(Array.from(heard, (_, n) => last - heard.length + 1 + n));
    }
    // The subscriptions of a user hear what tabs of the same user say, once each.
    const [first, second] = tabs;
    const ack = await first?.client.sendChatMessage("tabs-1", { text: "from a tab" });
    await until("heard by the other one", () => second?.heard.at(-1) === ack?.seq);
    for (const { client } of tabs) client.destroy();
    visitor.destroy();
  });
});
