/** Messages of a page that goes before it is known who writes. */

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Client } from "../src/index.js";
import { connectClient, scripted } from "./support/clients.js";
import { makeLocks, type Locks } from "./support/locks.js";
import { ackOf, type Scripted } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

const METHODS = {
  getItem(this: Record<string, string>, key: string) {
    return this[key] ?? null;
  },
  setItem(this: Record<string, string>, key: string, value: string) {
    this[key] = value;
  },
  removeItem(this: Record<string, string>, key: string) {
    delete this[key];
  },
};

let storage: Record<string, string>;
let locks: Locks;
let server: Scripted;
let pages = 0;

beforeEach(async () => {
  locks = makeLocks();
  vi.stubGlobal("navigator", { locks: locks.manager, onLine: true });
  vi.stubGlobal("indexedDB", new IDBFactory());
  storage = Object.create(METHODS);
  vi.stubGlobal("sessionStorage", storage);
  server = await scripted();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const jwt = (sub: string) => `h.${Buffer.from(JSON.stringify({ sub, type: "user", org: "o" })).toString("base64url")}.s`;
const never = () => new Promise<never>(() => {});

/** A page of the tab begins, and with it a client; `person` is whom the token source names. */
function openPage(person: string | undefined, kept = true): Client & { log: string[] } {
  pages += 1;
  vi.spyOn(performance, "timeOrigin", "get").mockReturnValue(1_700_000_000_000 + pages);
  const getToken = person === undefined ? never : () => jwt(person);
  return connectClient({ url: server.url, persistQueue: kept, getToken });
}

/** The page goes. Nothing in it runs any more, so it tells nobody. */
function leavePage(client: Client): void {
  client.disconnect();
  locks.crash(() => true);
}

/** A page that comes to know that it is this person's. */
async function visit(person: string): Promise<void> {
  const client = openPage(person);
  await server.established(server.peers.length + 1);
  await until("connected", () => client.getSnapshot().isConnected);
  leavePage(client);
}

/** A page that goes before it has a token. */
function writeEarly(...texts: string[]): void {
  const client = openPage(undefined);
  for (const text of texts) void client.sendChatMessage("c1", { text }, { text });
  leavePage(client);
}

/** Takes what the next page sends; gives the texts. */
async function taken(person: string, count: number): Promise<(string | undefined)[]> {
  const client = openPage(person);
  const peer = await server.established(server.peers.length + 1);
  const texts: (string | undefined)[] = [];
  while (texts.length < count) {
    const message = await peer.next("send_message");
    texts.push(message.content.text);
    peer.say(ackOf(message, texts.length));
  }
  await until("nothing is left", () => client.getSnapshot().isConnected && client.getQueuedMessages().length === 0);
  await settle();
  const sent = peer.frames.filter(({ type }) => type === "send_message");
  expect(sent).toHaveLength(count);
  leavePage(client);
  return texts;
}

describe("persistQueue, before there is a token", () => {
  test("messages outlive any number of reloads, in order and with their age", async () => {
    await visit("ada");
    writeEarly("one", "two");
    writeEarly("three");
    expect(await taken("ada", 3)).toEqual(["one", "two", "three"]);
    expect(await taken("ada", 0)).toEqual([]);
  });

  test("they are neither sent nor shown as another person, then or later", async () => {
    await visit("ada");
    writeEarly("of somebody");
    expect(await taken("bob", 0)).toEqual([]);
    expect(await taken("ada", 0)).toEqual([]);
  });

  test("a page that goes on as another person leaves the tab to that one", async () => {
    await visit("ada");
    let person = "ada";
    pages += 1;
    vi.spyOn(performance, "timeOrigin", "get").mockReturnValue(1_700_000_000_000 + pages);
    const client = connectClient({ url: server.url, persistQueue: true, getToken: () => jwt(person) });
    const first = await server.established(server.peers.length + 1, { userId: "ada" });
    await until("connected", () => client.getSnapshot().isConnected);
    person = "bob";
    first.socket.terminate();
    await server.peer(server.peers.length + 1);
    leavePage(client);
    writeEarly("of bob, it must be");
    expect(await taken("ada", 0)).toEqual([]);
  });

  test("a tab that never belonged to anybody keeps them for nobody", async () => {
    writeEarly("of somebody");
    expect(await taken("ada", 0)).toEqual([]);
  });

  test("two clients of a page do not take each other's", async () => {
    await visit("ada");
    const early = openPage(undefined);
    void early.sendChatMessage("c1", { text: "one" });
    const other = connectClient({ url: server.url, persistQueue: true, getToken: () => jwt("ada") });
    await server.established(server.peers.length + 1);
    await until("connected", () => other.getSnapshot().isConnected);
    expect(other.getQueuedMessages()).toEqual([]);
    leavePage(early);
    leavePage(other);
    expect(await taken("ada", 1)).toEqual(["one"]);
  });

  test("a message that was kept in two places when the page went is sent once, and forgotten in both", async () => {
    await visit("ada");
    writeEarly("one");
    const left = { ...storage };
    // It takes them over and goes, offline, before it has let go of the first place.
    const client = openPage("ada");
    await until("restored", () => client.getQueuedMessages().length === 1);
    await until("kept", () => !Object.keys(storage).some((key) => key in left && key !== "" && storage[key]?.includes("one")));
    await settle(50);
    leavePage(client);
    Object.assign(storage, left);
    expect(await taken("ada", 1)).toEqual(["one"]);
    expect(await taken("ada", 0)).toEqual([]);
  });

  test("without persistQueue nothing is written, and a storage that throws loses nothing", async () => {
    const plain = openPage(undefined, false);
    void plain.sendChatMessage("c1", { text: "one" });
    expect(Object.keys(storage)).toEqual([]);
    leavePage(plain);
    vi.stubGlobal("sessionStorage", undefined);
    const client = openPage("ada");
    void client.sendChatMessage("c1", { text: "two" });
    const peer = await server.established(server.peers.length + 1);
    expect((await peer.next("send_message")).content.text).toBe("two");
  });
});
