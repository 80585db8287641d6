/** As whom a client connects and asks. */

import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { RequestError, type VisitorTokenStore, type WebSocketConfig } from "../src/index.js";
import { atEnd, connectClient, makeClient, scripted } from "./support/clients.js";
import { startReal, type RealServer } from "./support/real.js";
import { ackOf, confirmation } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("Credentials, first found wins", () => {
  test("getToken over headers over publicKey; what a browser cannot send is warned of once", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const server = await scripted();
    const { url } = server;
    const headers = { authorization: "Bearer of-header", "X-Trace": "1" };
    connectClient({ url, headers, publicKey: "pk_1", getToken: () => "of-source", protocols: ["mine", "cossistant.v1"] });
    expect(await server.peer(1)).toMatchObject({
      offered: ["cossistant.v1", "mine", "bearer.of-source"],
      path: "/ws",
    });
    connectClient({ url, headers, publicKey: "pk_1", protocols: "mine" });
    expect(await server.peer(2)).toMatchObject({ offered: ["cossistant.v1", "mine", "bearer.of-header"], path: "/ws" });
    connectClient({ url: `${url}?page=1`, publicKey: "pk_1 &" });
    expect(await server.peer(3)).toMatchObject({ offered: ["cossistant.v1"], path: "/ws?page=1&publicKey=pk_1+%26" });
    connectClient({ url, getToken: async () => null, publicKey: "pk_1" });
    expect(await server.peer(4)).toMatchObject({ offered: ["cossistant.v1"], path: "/ws" });
    expect(warn.mock.calls).toEqual([["[cossistant] a browser cannot send X-Trace"]]);
  });

  test("the default is /ws of the page; http stands for ws", async () => {
    const server = await scripted();
    const { origin } = new URL(server.url.replace("ws", "http"));
    vi.stubGlobal("location", { href: `${origin}/some/page?x#y`, origin });
    connectClient({});
    expect((await server.peer(1)).path).toBe("/ws");
    connectClient({ url: server.url.replace("ws", "http") });
    await server.peer(2);
    connectClient({ url: "/ws?a=1" });
    expect((await server.peer(3)).path).toBe("/ws?a=1");
  });

  test("a url that is none counts as a failed attempt, and says so", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const client = connectClient({ url: "no url", maxReconnectAttempts: 1 });
    await until("given up", () => client.log.includes("fail"));
    expect(error).toHaveBeenCalledTimes(2);
  });

  test("a late answer of a source does not replace a newer one", async () => {
    const server = await scripted();
    const answers: ((token: string) => void)[] = [];
    const getToken = () => new Promise<string>((resolve) => answers.push(resolve));
    const client = connectClient({ url: server.url, getToken });
    await until("asked", () => answers.length === 1);
    client.disconnect();
    client.connect();
    await until("asked again", () => answers.length === 2);
    answers[1]?.("new");
    const peer = await server.established(1);
    answers[0]?.("old");
    expect(peer.offered).toContain("bearer.new");
    await until("open", () => client.getSnapshot().isConnected);
    peer.say({ type: "token_expiring", expiresAt: "2030-01-01T00:00:00.000Z" });
    await until("asked for a renewal", () => answers.length === 3);
    answers[2]?.("newest");
    expect((await peer.next("authenticate")).token).toBe("newest");
  });
});

describe("21. Visitors", () => {
  const stored = () => {
    const map = new Map<string, string | null>();
    const store: VisitorTokenStore = { get: async (name) => map.get(name), set: (name, token) => void map.set(name, token) };
    return { map, store };
  };

  test("the token is kept at once, by server and key, and used from then on", async () => {
    const server = await scripted();
    const { map, store } = stored();
    const config = { url: server.url, publicKey: "pk_1", visitorTokenStore: store };
    const client = connectClient(config);
    const first = await server.established(1, { userType: "visitor", visitorToken: "v1", team: { online: false, members: [] } });
    expect(first.path).toBe("/ws?publicKey=pk_1");
    await until("kept", () => map.size);
    expect([...map]).toEqual([[`cossistant:${server.url} pk_1`, "v1"]]);
    expect(client.getSnapshot().team).toEqual({ online: false, members: [] });
    first.say({ type: "team_online", websiteId: "w1" });
    await until("online", () => client.getSnapshot().team?.online);
    first.socket.terminate();
    expect(await server.peer(2)).toMatchObject({ path: "/ws", offered: ["cossistant.v1", "bearer.v1"] });
    // Another tab of the origin, and one of another key.
    connectClient(config);
    expect((await server.peer(3)).offered).toContain("bearer.v1");
    connectClient({ ...config, publicKey: "pk_2" });
    expect((await server.peer(4)).path).toBe("/ws?publicKey=pk_2");
  });

  test("what another tab has kept meanwhile is used", async () => {
    const server = await scripted();
    const { map, store } = stored();
    connectClient({ url: server.url, publicKey: "pk_1", visitorTokenStore: store });
    const first = await server.established(1, { visitorToken: "v1" });
    await until("kept", () => map.size);
    for (const name of map.keys()) map.set(name, "v2");
    first.socket.terminate();
    expect((await server.peer(2)).offered).toContain("bearer.v2");
  });

  test("refused, it is dropped and a new visitor begins", async () => {
    const server = await scripted();
    const { map, store } = stored();
    map.set(`cossistant:${server.url} pk_1`, "v1");
    const client = connectClient({ url: server.url, publicKey: "pk_1", visitorTokenStore: store });
    const first = await server.peer(1);
    expect(first.offered).toContain("bearer.v1");
    first.socket.close(4401);
    const second = await server.established(2, { visitorToken: "v2" });
    expect(second.path).toBe("/ws?publicKey=pk_1");
    await until("kept", () => [...map.values()].includes("v2"));
    expect(client.log).toContain("visitor changed");
    expect(client.log.filter((line) => line === "visitor changed")).toHaveLength(1);
  });

  test("localStorage that throws is no obstacle", async () => {
    vi.stubGlobal("localStorage", {
      getItem() {
        throw new Error("no");
      },
      setItem() {
        throw new Error("full");
      },
    });
    const server = await scripted();
    connectClient({ url: server.url, publicKey: "pk_1", visitorTokenStore: "localStorage" });
    const first = await server.established(1, { visitorToken: "v1" });
    await settle();
    first.socket.terminate();
    expect((await server.peer(2)).offered).toContain("bearer.v1");
  });
});

describe("Requests", () => {
  const answering = async (answer: (count: number, headers: IncomingHttpHeaders) => [number, string]) => {
    let count = 0;
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
      const [status, body] = answer((count += 1), request.headers);
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    atEnd(() => server.close());
    return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/live/ws/?x=1`, asked };
  };

  test("a refusal has status, code and retryAfter; the base is the url without /ws", async () => {
    const problem = JSON.stringify({ code: "rate_limited", title: "slow down", status: 429, retryAfter: 1_500 });
    const { url, asked } = await answering(() => [429, problem]);
    const client = makeClient({ url, headers: { Authorization: "Bearer fixed" } });
    const error = await client.request("GET", "/v1/conversations").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ status: 429, code: "rate_limited", retryAfter: 1_500, message: "slow down" });
    expect(asked).toEqual(["GET /live/v1/conversations Bearer fixed"]);
  });

  test("what is no problem and no answer at all are told by status", async () => {
    const { url } = await answering(() => [502, "<html>"]);
    const bad = makeClient({ url }).request("GET", "/v1/conversations");
    await expect(bad).rejects.toMatchObject({ status: 502, code: "unavailable" });
    const dead = makeClient({ url: "ws://127.0.0.1:9/ws" }).request("GET", "/v1/conversations");
    await expect(dead).rejects.toMatchObject({ status: 0, code: "unavailable" });
    const controller = new AbortController();
    controller.abort();
    const aborted = makeClient({ url }).request("GET", "/v1/conversations", undefined, controller.signal);
    await expect(aborted).rejects.toMatchObject({ status: 0 });
  });

  test("a source is asked for its first token, and once more after 401", async () => {
    let tokens = 0;
    const { url, asked } = await answering((_, { authorization }) => (authorization === "Bearer t2" ? [204, ""] : [401, ""]));
    const client = makeClient({ url, getToken: () => `t${(tokens += 1)}` });
    expect(await client.request("DELETE", "/v1/conversations/c1/messages/m1")).toBeUndefined();
    expect(asked.map((line) => line.split(" ").at(-1))).toEqual(["t1", "t2"]);
    tokens = 10;
    await expect(client.request("GET", "/v1/conversations")).resolves.toBeUndefined();
  });

  test("a request beside a connection on its way takes nothing from it", async () => {
    const { url, asked } = await answering(() => [204, ""]);
    const server = await scripted();
    const answers: ((token: string) => void)[] = [];
    const client = connectClient({ url: server.url, getToken: () => new Promise((resolve) => answers.push(resolve)) });
    await until("asked", () => answers.length === 1);
    const requested = client.request("GET", "/v1/conversations").catch((error: unknown) => error);
    await settle();
    expect(answers).toHaveLength(1);
    answers[0]?.("shared");
    expect((await server.peer(1)).offered).toContain("bearer.shared");
    await requested;
    // Asked by a request first, and then for the connection.
    const other = makeClient({ url, getToken: () => new Promise((resolve) => answers.push(resolve)), maxReconnectAttempts: 0 });
    const both = [other.request("GET", "/v1/a"), other.request("GET", "/v1/b")];
    await settle();
    other.connect();
    await until("asked for both", () => answers.length === 3);
    answers[1]?.("older");
    await settle();
    expect(asked).toEqual([]);
    answers[2]?.("newer");
    await Promise.all(both);
    expect(asked.filter((line) => line.startsWith("GET /live/v1")).map((line) => line.split(" ").at(-1))).toEqual(["newer", "newer"]);
  });
});

describe("21. Visitors, with the real server", () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startReal();
  });
  afterAll(() => server.stop());

  test("identify makes the visitor known, keeps the new token and reconnects", async () => {
    // A page's requests have its origin; those of Node.js have none.
    const { fetch } = globalThis;
    vi.stubGlobal("fetch", (url: string, init: RequestInit) =>
      fetch(url, { ...init, headers: { ...init.headers, Origin: "http://localhost" } }),
    );
    const client = connectClient({ url: server.wsUrl, publicKey: "pk_dev" });
    await until("open", () => client.getSnapshot().isConnected);
    const anonymous = client.getSnapshot().identity;
    await client.sendChatMessage("identify-1", { text: "hello" });
    await client.identify(server.identity("ada"));
    await until("open again", () => client.getSnapshot().isConnected && client.log.filter((l) => l === "open").length > 1);
    expect(client.getSnapshot().identity).toMatchObject({ userType: "visitor", userId: anonymous?.userId });
    const { conversations } = await client.request<{ conversations: { conversationId: string }[] }>(
      "GET",
      "/v1/conversations",
    );
    expect(conversations.map(({ conversationId }) => conversationId)).toEqual(["identify-1"]);
    await expect(client.identify("no token")).rejects.toBeInstanceOf(RequestError);
    const user = makeClient({ url: server.wsUrl, getToken: () => "t" });
    await expect(user.identify("x")).rejects.toMatchObject({ code: "forbidden" });
  });
});

describe("another person, by the application's own source", () => {
  /** A client whose source gives another token for each connection, and whose second connection is another person's. */
  async function switched(config: WebSocketConfig = {}) {
    const server = await scripted();
    let tokens = 0;
    const client = connectClient({ url: server.url, getToken: () => `t${(tokens += 1)}`, ...config });
    client.subscribeToConversation("c1");
    /** Takes a connection, and confirms its conversation; gives the place that was asked from. */
    const take = async (number: number, userId: string) => {
      const peer = await server.established(number, { userId });
      const { id, after } = await peer.next("subscribe_conversation");
      peer.say(confirmation(id, "conversation:c1", 7));
      return { peer, after };
    };
    const { peer: first } = await take(1, "ada");
    await until("confirmed", () => client.getSnapshot().subscriptions.length === 1);
    return { server, client, first, take };
  }

  test("what the one before wrote fails and is not sent", async () => {
    const { server, client, first, take } = await switched();
    void client.sendChatMessage("c1", { text: "ada's, under way" });
    await first.next("send_message");
    first.socket.terminate();
    await until("gone", () => !client.getSnapshot().isConnected);
    void client.sendChatMessage("c1", { text: "ada's, waiting" });
    await server.established(2, { userId: "bob" });
    await until("failed", () => client.getQueuedMessages().length === 0);
    expect(client.log.filter((line) => line.startsWith("failed"))).toEqual(["failed forbidden", "failed forbidden"]);
    const { peer: third, after } = await take(3, "bob");
    // What the one before has seen counts for nothing.
    expect(after).toBeUndefined();
    const sent = client.sendChatMessage("c1", { text: "bob's" });
    const message = await third.next("send_message");
    expect(message.content.text).toBe("bob's");
    third.say(ackOf(message));
    await sent;
    const all = server.peers.slice(1).flatMap(({ frames }) => frames).filter(({ type }) => type === "send_message");
    expect(all).toHaveLength(1);
    expect(client.getSnapshot()).toMatchObject({ isConnected: true, identity: { userId: "bob" } });
  });

  test("the same person goes on", async () => {
    const { server, client, first, take } = await switched();
    const sent = client.sendChatMessage("c1", { text: "ada's" });
    await first.next("send_message");
    first.socket.terminate();
    const { peer: second, after } = await take(2, "ada");
    expect(after).toBe(7);
    const message = await second.next("send_message");
    second.say(ackOf(message));
    await sent;
    expect(server.peers).toHaveLength(2);
  });
});
