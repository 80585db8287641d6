/** The inbox: filters, races, and what a change costs. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { NewMessage } from "@cossistant/protocol/types";

import { createInboxStore } from "../../src/replica/inbox.js";
import { createReplica } from "../../src/replica/replica.js";
import type { ConversationItem } from "../../src/replica/rows.js";
import { FakeSource, settle } from "./fake.js";

const ANN = { userId: "ann", userType: "user" } as const;
const SITE = { websiteId: "site", organizationId: "org" };

let source: FakeSource;
let replica: ReturnType<typeof createReplica>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  source = new FakeSource();
  replica = createReplica(source);
});
afterEach(() => {
  replica.destroy();
  expect(vi.getTimerCount(), "no timer is left").toBe(0);
  vi.useRealTimers();
});

function timeOf(place: number): string {
  return new Date(Date.parse("2026-01-01T00:00:00.000Z") + place * 1_000).toISOString();
}

function item(place: number, fields: Partial<ConversationItem> = {}): ConversationItem {
  return {
    conversationId: `c${place}`,
    websiteId: "site",
    visitorId: `v${place}`,
    status: "open",
    assignedTeamMemberId: null,
    createdAt: timeOf(0),
    lastActivityAt: timeOf(place),
    lastMessage: null,
    unreadCount: 0,
    online: false,
    ...fields,
  };
}

function message(conversationId: string, seq: number, at: number, fields: Partial<NewMessage> = {}): NewMessage {
  return {
    type: "new_message",
    conversationId,
    ...SITE,
    messageId: `${conversationId}-${seq}`,
    content: { text: `text ${seq}` },
    senderType: "visitor",
    senderId: "vic",
    createdAt: timeOf(at),
    visibility: "public",
    seq,
    offset: at,
    ...fields,
  };
}

function confirm(fields: object = {}): void {
  source.subscription("website:site", { type: "confirmed" });
  const told = { channel: "website:site", epoch: "e", head: 0, recovered: true, replayed: 0, online: [], typing: [] };
  source.say({ type: "subscription_confirmed", ...told, ...fields });
}

async function open(conversations: readonly ConversationItem[], nextCursor: string | null = null) {
  source.connect(ANN);
  const store = createInboxStore(replica, "site");
  const listener = vi.fn();
  const leave = store.subscribe(listener);
  confirm();
  source.next("/websites/site/conversations").answer({ conversations, nextCursor });
  await settle();
  const ids = () => store.getSnapshot().conversations.map(({ conversationId }) => conversationId);
  return { store, listener, leave, ids, row: (id: string) => store.getSnapshot().conversations.find((row) => row.conversationId === id) };
}

it("moves a conversation up, counts it, and leaves the other rows as they are", async () => {
  const { store, ids, row } = await open([item(3), item(2), item(1)]);
  const others = [row("c3"), row("c2")];
  source.say(message("c1", 1, 10));
  expect(ids()).toEqual(["c1", "c3", "c2"]);
  expect([row("c3"), row("c2")]).toEqual(others);
  expect(row("c3")).toBe(others[0]);
  expect(row("c1")).toMatchObject({ unreadCount: 1, lastMessage: { content: { text: "text 1" }, seq: 1 } });
  source.say(message("c1", 2, 11, { senderType: "user", senderId: "ann" }));
  expect(store.getSnapshot().unreadCount, "one's own is never unread").toBe(1);
  const seen = { type: "conversation_seen", conversationId: "c1", ...SITE, seenAt: timeOf(12) } as const;
  source.say({ ...seen, userId: "ben", userType: "user", lastSeenSeq: 2 });
  expect(store.getSnapshot().unreadCount).toBe(1);
  source.say({ ...seen, ...ANN, lastSeenSeq: 2 });
  expect(store.getSnapshot().unreadCount).toBe(0);
});

it("asks the server where only that can tell how many are unread", async () => {
  const { row } = await open([item(1, { unreadCount: 3, lastMessage: message("c1", 5, 1) })]);
  source.say({ type: "conversation_seen", conversationId: "c1", ...SITE, seenAt: timeOf(2), ...ANN, lastSeenSeq: 3 });
  source.next("/v1/conversations/c1").answer(item(1, { unreadCount: 2, lastMessage: message("c1", 5, 1) }));
  await settle();
  expect(row("c1")?.unreadCount).toBe(2);
});

it("takes in what the filter lets through, and lets go of what it does not", async () => {
  source.connect(ANN);
  const store = createInboxStore(replica, "site");
  store.setFilter({ status: "open", assignee: "me" });
  store.subscribe(() => undefined);
  confirm();
  expect(source.next().path).toContain("status=open&assignee=me");
  const mine = { assignedTeamMemberId: "ann" };
  source.next().answer({ conversations: [item(2, mine), item(1, mine)], nextCursor: null });
  await settle();
  const ids = () => store.getSnapshot().conversations.map(({ conversationId }) => conversationId);
  const place = { conversationId: "c2", ...SITE, seq: 2, offset: 2 };
  source.say({ type: "conversation_status_changed", ...place, status: "resolved" });
  expect(ids()).toEqual(["c1"]);
  source.say({ type: "conversation_status_changed", ...place, seq: 3, status: "open" });
  expect(ids()).toEqual(["c2", "c1"]);
  expect(source.requests, "what became of it was known").toEqual([]);

  source.say(message("c9", 1, 20));
  source.next("/v1/conversations/c9").answer(item(9, { lastMessage: message("c9", 1, 20) }));
  await settle();
  source.say(message("c9", 2, 21));
  expect(source.requests, "it is nobody's, and that is known").toEqual([]);
  source.say({ type: "conversation_assigned", ...place, conversationId: "c9", assignedTeamMemberId: "ann" });
  expect(ids()[0]).toBe("c9");
  expect(store.getSnapshot().conversations[0]).toMatchObject({ unreadCount: 1, lastMessage: { seq: 2 } });
});

it("shows the newest filter's conversations, and the old ones until then", async () => {
  const { store, ids } = await open([item(2), item(1)]);
  store.setFilter({ search: "a" });
  const first = source.next();
  store.setFilter({ search: "ab" });
  const second = source.next("search=ab");
  store.setFilter({ search: "ab" });
  expect(source.requests, "the same once more is no change").toEqual([second]);
  expect(first.signal?.aborted).toBe(true);
  expect([ids(), store.getSnapshot().isLoading, store.getSnapshot().filter]).toEqual([["c2", "c1"], true, { search: "ab" }]);
  first.answer({ conversations: [item(7)], nextCursor: null });
  second.answer({ conversations: [item(8)], nextCursor: null });
  await settle();
  expect(ids()).toEqual(["c8"]);
  source.say(message("c9", 1, 20));
  expect(source.requests, "what a search finds only the server knows").toEqual([]);
});

it("loads further pages, and after a reconnect all that was shown", async () => {
  const { store, ids } = await open([item(3), item(2)], "two");
  const [once, twice] = [store.loadMore(), store.loadMore()];
  expect(source.requests.map(({ path }) => new URL(path, "http://x").searchParams.get("cursor"))).toEqual(["two"]);
  source.say(message("c2", 1, 30));
  source.next().answer({ conversations: [item(2), item(1)], nextCursor: null });
  await Promise.all([once, twice]);
  expect(ids(), "one that moved up meanwhile is not there twice").toEqual(["c2", "c3", "c1"]);
  expect(store.getSnapshot().hasMore).toBe(false);
  source.disconnect();
  source.connect(ANN);
  confirm();
  const before = store.getSnapshot().conversations;
  source.next().answer({ conversations: [item(3), item(2, { unreadCount: 1, lastActivityAt: timeOf(30), lastMessage: message("c2", 1, 30) }), item(1)], nextCursor: null });
  await settle();
  expect(store.getSnapshot().conversations.map((row, i) => row === before[i])).toEqual([true, true, true]);
});

it("loads the list anew instead of many conversations one by one", async () => {
  const { ids } = await open([]);
  for (let place = 1; place <= 30; place += 1) source.say(message(`c${place}`, 1, place));
  expect(source.requests.length).toBeLessThanOrEqual(10);
  expect(source.next("/websites/").path).toContain("limit=50");
  source.next("/websites/").answer({ conversations: [item(30), item(29)], nextCursor: null });
  await settle();
  expect(ids()).toContain("c30");
});

it("shows drafts, and who is online", async () => {
  const { row } = await open([item(1)]);
  const place = { conversationId: "c1", ...SITE };
  source.say({ type: "typing_progress", ...place, userId: "v1", userType: "visitor", content: "hel" });
  expect(row("c1")?.typing).toEqual([{ userId: "v1", userType: "visitor", text: "hel" }]);
  source.say({ type: "visitor_online", ...place, conversationIds: ["c1"], visitorId: "v1" });
  expect(row("c1")?.isOnline).toBe(true);
  source.say(message("c1", 1, 5, { senderId: "v1" }));
  expect(row("c1")?.typing).toEqual([]);
  confirm({ online: [], typing: [{ conversationId: "c1", userId: "bot", userType: "ai_agent" }] });
  expect(row("c1")).toMatchObject({ isOnline: false, typing: [{ userId: "bot" }] });
  const identity = { name: "Nina" };
  source.say({ type: "visitor_identified", ...SITE, visitorId: "nina", previousVisitorId: "v1", identity, conversationIds: ["c1"] });
  expect(row("c1")).toMatchObject({ visitorId: "nina", visitor: { name: "Nina" } });
  source.say({ type: "conversation_created", ...place, visitorId: "v1", createdAt: timeOf(0), seq: 1, offset: 1 });
  expect(row("c1")?.visitorId, "a replay of the beginning is older").toBe("nina");
});

it("ends the typing in its rows with the connection, of conversations too that are open by themselves", async () => {
  const { row } = await open([item(1)]);
  const bot = { userId: "bot", userType: "ai_agent" } as const;
  confirm({ typing: [{ conversationId: "c1", ...bot }] });
  const leave = replica.conversation("c1").subscribe(() => undefined);
  const told = { channel: "conversation:c1", epoch: "e", head: 0, recovered: true, replayed: 0 };
  source.say({ type: "subscription_confirmed", ...told, typing: [bot] });
  expect(row("c1")?.typing).toEqual([bot]);
  source.disconnect();
  expect(row("c1")?.typing).toEqual([]);
  leave();
});

it("says why there is no list where there can be none", async () => {
  source.connect({ userId: "vic", userType: "visitor" });
  const store = createInboxStore(replica, "site");
  store.subscribe(() => undefined);
  source.subscription("website:site", { type: "refused", code: "forbidden" });
  source.next().refuse(403, "forbidden");
  await settle();
  expect(store.getSnapshot()).toMatchObject({ isLoading: false, error: { code: "forbidden" }, conversations: [] });
});

it("costs the same in a list of 10,000 as a search and a shift", async () => {
  const count = 10_000;
  const { store } = await open(Array.from({ length: count }, (_, i) => item(count - i)));
  expect(store.getSnapshot().conversations).toHaveLength(count);
  const rounds = 2_000;
  const began = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    source.say(message(`c${1 + ((round * 7_919) % count)}`, 10 + round, count + round));
    store.getSnapshot();
  }
  const each = ((performance.now() - began) / rounds) * 1_000;
  console.log(`an event and a snapshot of ${count} conversations: ${each.toFixed(0)} µs`);
  expect(store.getSnapshot().conversations[0]?.conversationId).toBe(`c${1 + (((rounds - 1) * 7_919) % count)}`);
  expect(each, "far below a frame, however slow the machine").toBeLessThan(4_000);
});
