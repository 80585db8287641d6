/** Messages that outlive their page. */

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { createClient, forgetMessages, type Client, type WebSocketConfig } from "../src/index.js";
import { connectClient, makeClient, scripted } from "./support/clients.js";
import { makeLocks, type Locks } from "./support/locks.js";
import { ackOf, type Scripted } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

let locks: Locks;
beforeEach(() => {
  locks = makeLocks();
  vi.stubGlobal("navigator", { locks: locks.manager, onLine: true });
  vi.stubGlobal("indexedDB", new IDBFactory());
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** A page that writes while it is offline, and then is gone without a word. */
async function leavePage(config: WebSocketConfig, conversationId: string, texts: string[], server?: Scripted): Promise<void> {
  const before = new Set(locks.held());
  const page = createClient({ persistQueue: true, visitorTokenStore: "memory", ...config });
  for (const text of texts) void page.sendChatMessage(conversationId, { text }, { text });
  page.connect();
  const own = await until("its lock", () => locks.held().find((name) => !before.has(name)));
  await kept(texts.length, conversationId);
  // It goes on in this process, and must have come to rest before the next one takes over.
  await until("it has taken over what there is", () => !locks.held().includes("cossistant-queue"));
  const peer = await server?.peer(server.peers.length || 1);
  page.disconnect();
  if (peer) await until("its socket is closed", () => peer.closed);
  // A crash: whatever the page still does, it does not hold its lock.
  locks.crash((name) => name === own);
}

/** Waits until so many messages of a conversation are in the database. */
async function kept(count: number, conversationId?: string): Promise<void> {
  for (;;) {
    const rows = await allRows();
    if (rows.filter((row) => !conversationId || row.message.conversationId === conversationId).length === count) return;
    await settle(1);
  }
}

async function allRows(): Promise<{ owner: string; name: string; message: { id: string; conversationId: string } }[]> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open("cossistant-queue");
    request.onupgradeneeded = () => request.result.createObjectStore("messages", { autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const rows = await new Promise<never[]>((resolve) => {
    const request = database.transaction("messages").objectStore("messages").getAll();
    request.onsuccess = () => resolve(request.result as never[]);
  });
  database.close();
  return rows;
}

/** Acknowledges what comes, until so many messages came; gives their texts. */
async function takeAll(server: Scripted, peerNumber: number, count: number) {
  const peer = await server.established(peerNumber);
  const texts: (string | undefined)[] = [];
  while (texts.length < count) {
    const message = await peer.next("send_message");
    texts.push(message.content.text);
    peer.say(ackOf(message, texts.length));
  }
  return texts;
}

const nowhere = { url: "ws://127.0.0.1:9/ws", reconnectDelay: 3_600_000, maxReconnectDelay: 3_600_000 };

describe("persistQueue", () => {
  test("unsent messages outlive a reload with id, order and age", async () => {
    const server = await scripted();
    const { url } = server;
    await leavePage({ ...nowhere, url, publicKey: "pk_1", connectTimeout: 3_600_000 }, "c1", ["one", "two", "three"], server);
    const rows = await allRows();
    const client = makeClient({ url, persistQueue: true, publicKey: "pk_1" });
    void client.sendChatMessage("c1", { text: "four" });
    client.connect();
    await until("restored", () => client.getSnapshot().queuedMessageCount === 4);
    expect(client.getQueuedMessages().map(({ content }) => content.text)).toEqual(["one", "two", "three", "four"]);
    expect(client.getQueuedMessages().slice(0, 3).map(({ id }) => id)).toEqual(rows.map(({ message }) => message.id));
    expect(client.getQueuedMessages()[0]).toMatchObject({ metadata: { text: "one" } });
    expect(client.getQueuedMessages()[0]?.queuedAt).toBeLessThanOrEqual(client.getQueuedMessages()[3]?.queuedAt ?? 0);
    expect(await takeAll(server, 2, 4)).toEqual(["one", "two", "three", "four"]);
    await kept(0);
  });

  test("what is too old fails, visibly", async () => {
    await leavePage({ ...nowhere, publicKey: "pk_1" }, "c1", ["one"]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 25 * 3_600_000 });
    const client = makeClient({ ...nowhere, publicKey: "pk_1", persistQueue: true });
    client.connect();
    await until("failed", () => client.log.includes("failed too_old"));
    vi.useRealTimers();
    await kept(0);
  });

  test("a page does not wait for itself to go", async () => {
    const request = vi.spyOn(locks.manager, "request");
    const client = makeClient({ ...nowhere, publicKey: "pk_1", persistQueue: true });
    void client.sendChatMessage("c1", { text: "one" });
    client.connect();
    await kept(1);
    await until("it has taken over what there is", () => !locks.held().includes("cossistant-queue"));
    const names = request.mock.calls.map(([name]) => name);
    expect(names).toEqual([`cossistant-queue ${(await allRows())[0]?.owner}`, "cossistant-queue"]);
  });

  test("two living tabs keep to their own, and one of them takes what a third left", async () => {
    const server = await scripted();
    const config = { url: server.url, publicKey: "pk_1", persistQueue: true };
    const early = makeClient({ ...config, ...nowhere });
    void early.sendChatMessage("c1", { text: "of the first tab" });
    early.connect();
    await kept(1);
    await leavePage({ ...nowhere, publicKey: "pk_1" }, "c2", ["left", "behind"]);
    const [one, two] = [connectClient({ ...config, ...nowhere }), connectClient({ ...config, ...nowhere })];
    await until("adopted", () => one.getQueuedMessages().length + two.getQueuedMessages().length === 2);
    await settle(50);
    const texts = [one, two].map((client) => client.getQueuedMessages().map(({ content }) => content.text));
    expect(texts).toContainEqual(["left", "behind"]);
    expect(texts).toContainEqual([]);
    expect(early.getQueuedMessages()).toHaveLength(1);
  });

  test("nobody sends what another person wrote", async () => {
    const jwt = (sub: string) => `h.${Buffer.from(JSON.stringify({ sub, type: "visitor", org: "o" })).toString("base64url")}.s`;
    const server = await scripted();
    await leavePage({ ...nowhere, url: server.url, getToken: () => jwt("ada") }, "c1", ["ada's"], server);
    const first = server.peers.length;
    const other = connectClient({ url: server.url, persistQueue: true, getToken: () => jwt("bob") });
    void other.sendChatMessage("c1", { text: "bob's" });
    expect(await takeAll(server, first + 1, 1)).toEqual(["bob's"]);
    await settle();
    expect(other.getSnapshot().queuedMessageCount).toBe(0);
    connectClient({ url: server.url, persistQueue: true, getToken: () => jwt("ada") });
    expect(await takeAll(server, first + 2, 1)).toEqual(["ada's"]);
    await kept(0);
  });

  test.each(["no IndexedDB", "no Web Locks", "a database that fails"])("%s: in memory", async (what) => {
    if (what === "no IndexedDB") vi.stubGlobal("indexedDB", undefined);
    if (what === "no Web Locks") vi.stubGlobal("navigator", { onLine: true });
    if (what === "a database that fails") {
      vi.stubGlobal("indexedDB", {
        open() {
          throw new Error("not in this window");
        },
      });
    }
    const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
    const server = await scripted();
    const client = connectClient({ url: server.url, persistQueue: true, publicKey: "pk_1", debug: true });
    void client.sendChatMessage("c1", { text: "one" });
    expect(await takeAll(server, 1, 1)).toEqual(["one"]);
    expect(debug.mock.calls.map(([text]) => text)).toContain("[cossistant] keeping messages is not possible here");
    debug.mockRestore();
  });

  test("a full disk loses no message from memory", async () => {
    const server = await scripted();
    const { add } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.add = function () {
      this.transaction.abort();
      throw new DOMException("full", "QuotaExceededError");
    };
    const client = connectClient({ url: server.url, persistQueue: true, publicKey: "pk_1" });
    const sent = client.sendChatMessage("c1", { text: "one" });
    expect(await takeAll(server, 1, 1)).toEqual(["one"]);
    await sent;
    IDBObjectStore.prototype.add = add;
    await settle();
  });

  test("destroying a client leaves its messages to the next one", async () => {
    const config = { ...nowhere, publicKey: "pk_1", persistQueue: true };
    const client: Client = connectClient(config);
    const failure = client.sendChatMessage("c1", { text: "one" }).catch((error: unknown) => error);
    await kept(1);
    client.destroy();
    expect(await failure).toMatchObject({ code: "not_connected" });
    const next = connectClient(config);
    await until("taken over", () => next.getSnapshot().queuedMessageCount === 1);
  });

  test("a client that ends while it opens the queue holds nothing, and takes nothing over", async () => {
    const config = { ...nowhere, publicKey: "pk_1", persistQueue: true };
    await leavePage(config, "c1", ["left behind"]);
    const close = vi.spyOn(IDBDatabase.prototype, "close");
    const client = connectClient(config);
    const opened = vi.spyOn(indexedDB, "open");
    await until("it opens the database", () => opened.mock.calls.length > 0);
    client.destroy();
    await until("the database is closed again", () => close.mock.calls.length > 0);
    await settle(50);
    expect(locks.held()).toEqual([]);
    expect(client.getQueuedMessages()).toEqual([]);
    const next = connectClient(config);
    await until("taken over", () => next.getSnapshot().queuedMessageCount === 1);
  });

  test("a client that ends while it takes over leaves all to the next one", async () => {
    const config = { ...nowhere, publicKey: "pk_1", persistQueue: true };
    await leavePage(config, "c1", ["left behind"]);
    const client = connectClient(config);
    await until("it takes over", () => locks.held().includes("cossistant-queue"));
    client.destroy();
    await until("it is done", () => !locks.held().includes("cossistant-queue"));
    await settle(50);
    expect(client.getQueuedMessages()).toEqual([]);
    const next = connectClient(config);
    await until("taken over", () => next.getSnapshot().queuedMessageCount === 1);
  });
});

describe("forgetMessages", () => {
  const config = { ...nowhere, publicKey: "pk_1", persistQueue: true };

  test("the next visitor finds nothing of the website's, and all of others", async () => {
    const living = connectClient(config);
    void living.sendChatMessage("c1", { text: "of a tab that is still there" });
    await kept(1, "c1");
    await leavePage(config, "c2", ["left behind"]);
    await leavePage({ ...config, publicKey: "pk_2" }, "c3", ["of another website"]);
    const forgotten = forgetMessages("pk_1");
    // Who asks after it finds nothing, however early.
    const next = connectClient(config);
    await forgotten;
    await kept(1);
    await until("it has taken over what there is", () => !locks.held().includes("cossistant-queue"));
    await settle(50);
    expect(next.getQueuedMessages()).toEqual([]);
    expect((await allRows()).map(({ message }) => message.conversationId)).toEqual(["c3"]);
  });

  test("of some alone", async () => {
    const client = connectClient(config);
    void client.sendChatMessage("c1", { text: "old" }, {}, { id: "old" });
    void client.sendChatMessage("c1", { text: "new" }, {}, { id: "new" });
    await kept(2);
    await forgetMessages("pk_1", (id) => id === "old");
    expect((await allRows()).map(({ message }) => message.id)).toEqual(["new"]);
  });

  test("what the tab alone keeps, at once", async () => {
    const storage = { "cossistant-queue wss://a.example/ws pk_1 17 x": "[]", "cossistant-queue wss://a.example/ws pk_2 17 y": "[]", other: " pk_1 " };
    vi.stubGlobal("sessionStorage", Object.assign(Object.create({ removeItem: (key: keyof typeof storage) => delete (sessionStorage as unknown as typeof storage)[key] }), storage));
    void forgetMessages("pk_1");
    expect(Object.keys(sessionStorage)).toEqual(["cossistant-queue wss://a.example/ws pk_2 17 y", "other"]);
  });

  test.each(["no IndexedDB", "no Web Locks"])("%s: there is nothing", async (what) => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    if (what === "no IndexedDB") vi.stubGlobal("indexedDB", undefined);
    if (what === "no Web Locks") vi.stubGlobal("navigator", { onLine: true });
    await forgetMessages("pk_1");
    warn.mockRestore();
  });
});
