/** One connection for all tabs. The tabs are clients of one process, which is what a `BroadcastChannel` connects as well. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { WebSocketConfig } from "../src/index.js";
import { createSwitchboard } from "../src/switchboard.js";
import { connectClient, scripted } from "./support/clients.js";
import { makeLocks, type Locks } from "./support/locks.js";
import { stubPage } from "./support/page.js";
import { ackOf, confirmation, newMessage, type Peer, type Scripted } from "./support/scripted.js";
import { settle, until } from "./support/wait.js";

let locks: Locks;
beforeEach(() => {
  locks = makeLocks();
  vi.stubGlobal("navigator", { locks: locks.manager, onLine: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

type Tab = ReturnType<typeof connectClient>;

/** A tab that is connected. */
async function openTab(server: Scripted, config: WebSocketConfig = {}): Promise<Tab> {
  const tab = connectClient({ url: server.url, publicKey: "pk_1", shareAcrossTabs: true, ...config });
  await until("connected", () => {
    server.peers.filter(({ closed, frames }) => !closed && !frames.length).forEach(establishOnce);
    return tab.getSnapshot().isConnected;
  });
  return tab;
}

const established = new Set<Peer>();
function establishOnce(peer: Peer): void {
  if (established.has(peer)) return;
  established.add(peer);
  peer.establish({ userType: "visitor", userId: "v1" });
}

/** A server on which each subscription is confirmed, with a replay of what is missed. */
function confirmAll(server: Scripted, head: () => number): () => void {
  let isOn = true;
  const answered = new Set<object>();
  void (async () => {
    while (isOn) {
      for (const peer of server.peers) {
        establishOnce(peer);
        for (const frame of peer.frames) {
          if (frame.type !== "subscribe_conversation" || answered.has(frame)) continue;
          answered.add(frame);
          peer.say(confirmation(frame.id, `conversation:${frame.conversationId}`, head()));
          for (let seq = (frame.after ?? head()) + 1; seq <= head(); seq += 1) {
            peer.say(newMessage(frame.conversationId, seq));
          }
        }
      }
      await settle(1);
    }
  })();
  return () => {
    isOn = false;
  };
}

const messagesOf = (tab: Tab) => tab.log.filter((line) => line.startsWith("message"));
const living = (server: Scripted) => server.peers.filter(({ closed }) => !closed);

describe("shareAcrossTabs", () => {
  test("all tabs have one socket, and each its own subscriptions and answers", async () => {
    const server = await scripted();
    const one = await openTab(server);
    const two = await openTab(server);
    const three = await openTab(server);
    expect(server.peers).toHaveLength(1);
    expect([one, two, three].map((tab) => tab.getWebSocket() !== null)).toEqual([true, false, false]);
    expect(two.getSnapshot().identity).toEqual({ userId: "v1", userType: "visitor" });
    const [peer] = server.peers as [Peer];
    // The ids of the tabs' engines are the same; those on the wire are not.
    for (const tab of [one, two]) tab.subscribeToConversation("c1");
    const asked = [await peer.next("subscribe_conversation"), await peer.next("subscribe_conversation")];
    expect(new Set(asked.map(({ id }) => id)).size).toBe(2);
    for (const { id } of asked) peer.say(confirmation(id, "conversation:c1"));
    await until("confirmed", () => [one, two].every((tab) => tab.getSnapshot().subscriptions.length === 1));
    peer.say(newMessage("c1", 1));
    await until("heard", () => [one, two].every((tab) => messagesOf(tab).length === 1));
    const acked = two.sendChatMessage("c1", { text: "from two" }, undefined, { id: "key" });
    const sent = await peer.next("send_message");
    expect(sent.id).toBe("key");
    let foreign = 0;
    one.on("message_ack", () => (foreign += 1));
    peer.say(ackOf(sent, 2));
    await acked;
    const pinged = three.ping();
    peer.say({ type: "pong", id: (await peer.next("ping")).id });
    expect(await pinged).toBeGreaterThanOrEqual(0);
    await settle();
    expect(foreign).toBe(0);
    expect(messagesOf(three)).toEqual([]);
  });

  test("a channel is let go of with its last tab", async () => {
    const server = await scripted();
    const one = await openTab(server);
    const two = await openTab(server);
    const [peer] = server.peers as [Peer];
    const end = confirmAll(server, () => 0);
    for (const tab of [one, two]) tab.subscribeToConversation("c1");
    await until("confirmed", () => [one, two].every((tab) => tab.getSnapshot().subscriptions.length === 1));
    const ended: unknown[] = [];
    one.on("subscription_ended", ({ channel }) => ended.push(channel));
    one.unsubscribeFromConversation("c1");
    await until("answered here", () => ended.length);
    expect(peer.frames.some(({ type }) => type === "unsubscribe_conversation")).toBe(false);
    two.destroy();
    await peer.next("unsubscribe_conversation");
    end();
  });

  test.each(["closed", "crashed", "its socket lost"])("when the owner is %s, each tab gets everything once", async (how) => {
    const server = await scripted();
    let head = 0;
    const end = confirmAll(server, () => head);
    const tabs = [await openTab(server), await openTab(server), await openTab(server)];
    for (const tab of tabs) tab.subscribeToConversation("c1");
    await until("confirmed", () => tabs.every((tab) => tab.getSnapshot().subscriptions.length === 1));
    const tell = () => {
      head += 1;
      living(server).at(-1)?.say(newMessage("c1", head));
    };
    const rest = how === "its socket lost" ? tabs : tabs.slice(1);
    tell();
    tell();
    await until("the first two", () => tabs.every((tab) => messagesOf(tab).length === 2));
    const [owner] = tabs as [Tab];
    const [first] = server.peers as [Peer];
    if (how === "closed") owner.destroy();
    if (how === "crashed") {
      // The page says nothing more, and the browser frees what it held.
      locks.crash((name) => name.startsWith("cossistant "));
      owner.disconnect();
    }
    if (how === "its socket lost") first.socket.terminate();
    tell();
    await until("a new socket", () => server.peers.length > 1 && living(server).length === 1);
    await until("all are back", () => rest.every((tab) => tab.getSnapshot().subscriptions.length === 1));
    tell();
    await until("all four", () => rest.every((tab) => messagesOf(tab).length >= 4));
    await settle();
    for (const tab of rest) expect(messagesOf(tab)).toEqual([1, 2, 3, 4].map((seq) => `message ${seq}`));
    expect(rest.filter((tab) => tab.getWebSocket() !== null)).toHaveLength(1);
    expect(living(server)).toHaveLength(1);
    end();
  });

  test("an owner that does not answer is taken the lock from", async () => {
    const server = await scripted();
    const [name] = await (async () => {
      const probe = await openTab(server);
      const names = locks.held();
      probe.destroy();
      await until("let go", () => !locks.held().length);
      return names;
    })();
    let stolen = false;
    // A frozen tab: it holds the lock, and runs nothing.
    void locks.manager.request(name ?? "", () => new Promise(() => {})).catch(() => (stolen = true));
    const tab = await openTab(server);
    expect(stolen).toBe(true);
    expect(tab.getWebSocket()).not.toBeNull();
  });

  test("an owner that is hidden for long gives way to a tab that is seen, which loses nothing", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const page = stubPage();
    vi.stubGlobal("navigator", { locks: locks.manager, onLine: true });
    const server = await scripted();
    const [owner, other] = [await openTab(server), await openTab(server)];
    // Both tabs have one page here: the owner has seen that it is hidden, the other one finds that it is not.
    page.hide();
    page.document.visibilityState = "visible";
    await vi.advanceTimersByTimeAsync(4_999);
    await settle();
    expect(owner.getWebSocket()).not.toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    await until("the other one dials", () => other.getSnapshot().state.type === "waiting");
    await vi.advanceTimersByTimeAsync(100);
    const end = confirmAll(server, () => 0);
    await until("it has the connection", () => other.getWebSocket() !== null && other.getSnapshot().isConnected);
    await vi.advanceTimersByTimeAsync(100);
    await until("the first one follows", () => owner.getSnapshot().isConnected);
    expect(owner.getWebSocket()).toBeNull();
    expect(living(server)).toHaveLength(1);
    end();
  });

  test("an owner that is frozen lets go", async () => {
    const page = stubPage();
    vi.stubGlobal("navigator", { locks: locks.manager, onLine: true });
    const server = await scripted();
    const owner = await openTab(server, { reconnectDelay: 3_600_000, maxReconnectDelay: 3_600_000 });
    const other = await openTab(server);
    page.document.dispatchEvent(new Event("freeze"));
    expect(owner.getSnapshot().state.type).toBe("waiting");
    const end = confirmAll(server, () => 0);
    await until("the other one has it", () => other.getWebSocket() !== null && other.getSnapshot().isConnected);
    end();
  });

  test("those of another principal have their own", async () => {
    const jwt = (sub: string) => `h.${Buffer.from(JSON.stringify({ sub, org: "o" })).toString("base64url")}.s`;
    const server = await scripted();
    await openTab(server, { getToken: () => jwt("ada") });
    await openTab(server, { getToken: () => jwt("ada") });
    expect(server.peers).toHaveLength(1);
    await openTab(server, { getToken: () => jwt("bob") });
    expect(server.peers).toHaveLength(2);
    // Of this one it cannot be told who it is.
    await openTab(server, { getToken: () => "opaque" });
    await openTab(server, { getToken: () => "opaque" });
    expect(server.peers).toHaveLength(4);
  });

  test("without Web Locks each has its own", async () => {
    vi.stubGlobal("navigator", { onLine: true });
    const server = await scripted();
    await openTab(server);
    await openTab(server);
    expect(server.peers).toHaveLength(2);
  });
});

describe("the switchboard", () => {
  const make = (now = () => 0) => {
    const down: [readonly string[], Record<string, unknown>][] = [];
    const up: Record<string, unknown>[] = [];
    const board = createSwitchboard(
      (to, text) => down.push([to, JSON.parse(text)]),
      (text) => up.push(JSON.parse(text)),
      now,
    );
    return { board, down, up };
  };

  test("an event goes to those who hold its conversation or its website", () => {
    const { board, down, up } = make();
    for (const link of ["a", "b", "c"]) board.join(link);
    board.up("a", JSON.stringify({ type: "subscribe_website", id: "sub-1", websiteId: "w1" }));
    board.up("b", JSON.stringify({ type: "subscribe_conversation", id: "sub-1", conversationId: "c1" }));
    const told = (message: object) => {
      down.length = 0;
      board.down(JSON.stringify(message));
      return down.map(([to]) => to);
    };
    expect(told({ type: "new_message", conversationId: "c1", websiteId: "w1" })).toEqual([["a", "b"]]);
    expect(told({ type: "new_message", conversationId: "c2", websiteId: "w1" })).toEqual([["a"]]);
    expect(told({ type: "visitor_online", conversationId: "c2", conversationIds: ["c2", "c1"], websiteId: "w2" })).toEqual([
      ["b"],
    ]);
    expect(told({ type: "token_expiring" })).toEqual([["a", "b", "c"]]);
    expect(told({ type: "error", code: "internal", error: "no id" })).toEqual([["a", "b", "c"]]);
    const [first] = up;
    expect(told({ type: "subscription_error", id: first?.["id"], channel: "website:w1" })).toEqual([["a"]]);
    expect(told({ type: "new_message", conversationId: "c1", websiteId: "w1" })).toEqual([["b"]]);
    expect(told({ type: "subscription_ended", channel: "conversation:c1", reason: "revoked" })).toEqual([["a", "b", "c"]]);
    expect(told({ type: "new_message", conversationId: "c1", websiteId: "w1" })).toEqual([[]]);
    expect(told({ type: "pong", id: "nobody's" })).toEqual([]);
  });

  test("a link that says nothing for long is gone, and what it alone held is let go of", () => {
    let now = 0;
    const { board, up } = make(() => now);
    board.join("a");
    board.join("b");
    board.up("a", JSON.stringify({ type: "subscribe_conversation", id: "1", conversationId: "c1" }));
    now = 200_000;
    expect(board.up("b", JSON.stringify({ type: "ping", id: "p" }))).toBe(true);
    expect(up.map(({ type }) => type)).toEqual(["subscribe_conversation", "unsubscribe_conversation", "ping"]);
    expect(board.up("a", JSON.stringify({ type: "ping", id: "p" }))).toBe(false);
  });

  test("who joins late is told of the connection, as it is by then", () => {
    let now = 1_000;
    const { board, down } = make(() => now);
    const established = { type: "connection_established", userId: "v1", serverTime: 5_000, team: { online: false, members: [] } };
    board.join("a");
    board.down(JSON.stringify(established));
    board.down(JSON.stringify({ type: "team_online", websiteId: "w1" }));
    board.down(JSON.stringify({ type: "authenticated", expiresAt: "later" }));
    now = 3_500;
    board.join("b");
    expect(down[0]).toEqual([["a"], established]);
    expect(down.at(-1)).toEqual([
      ["b"],
      { ...established, serverTime: 7_500, team: { online: true, members: [] }, expiresAt: "later" },
    ]);
  });
});
