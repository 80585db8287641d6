/** The client against the real server. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createClient, type Client, type WebSocketConfig } from "../src/index.js";
import { startReal, type RealServer } from "./support/real.js";
import { until } from "./support/wait.js";

let server: RealServer;
beforeAll(async () => {
  server = await startReal();
});
afterAll(() => server.stop());

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
