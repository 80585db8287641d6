/** One conversation: sending, loading, and what people do in it. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { NewMessage, SubscriptionConfirmed } from "@cossistant/protocol/types";

import { createReplica } from "../../src/replica/replica.js";
import { FakeSource, settle } from "./fake.js";

const VISITOR = { userId: "vic", userType: "visitor" } as const;
const ANN = { userId: "ann", userType: "user" } as const;
const PLACE = { conversationId: "c", websiteId: "site", organizationId: "org" };

let source: FakeSource;
let replica: ReturnType<typeof createReplica>;

beforeEach(() => {
  vi.useFakeTimers();
  source = new FakeSource();
  replica = createReplica(source);
});
afterEach(() => {
  replica.destroy();
  expect(vi.getTimerCount(), "no timer is left").toBe(0);
  vi.useRealTimers();
});

function message(seq: number, fields: Partial<NewMessage> = {}): NewMessage {
  return {
    type: "new_message",
    ...PLACE,
    messageId: `m${seq}`,
    content: { text: `text ${seq}` },
    senderType: "user",
    senderId: "ben",
    createdAt: `2026-01-01T00:00:${String(seq).padStart(2, "0")}.000Z`,
    visibility: "public",
    seq,
    ...fields,
  };
}

function confirm(head: number, fields: Partial<SubscriptionConfirmed> = {}): void {
  source.subscription("conversation:c", { type: "confirmed" });
  source.say({
    type: "subscription_confirmed",
    channel: "conversation:c",
    epoch: "e",
    head,
    recovered: true,
    replayed: 0,
    visitorId: "vic",
    status: "open",
    assignedTeamMemberId: null,
    seen: [],
    typing: [],
    viewing: [],
    activity: [],
    ...fields,
  });
}

/** A store that is connected, confirmed and loaded. */
async function open(messages: readonly NewMessage[] = [], self: typeof ANN | typeof VISITOR = ANN, head = 0) {
  source.connect(self);
  const store = replica.conversation("c");
  const listener = vi.fn();
  const leave = store.subscribe(listener);
  confirm(Math.max(head, messages.at(-1)?.seq ?? 0));
  source.next("/messages").answer({ messages, hasMore: false });
  await settle();
  listener.mockClear();
  return { store, listener, leave, texts: () => store.getSnapshot().messages.map(({ content }) => content?.text) };
}

const delivery = (store: ReturnType<typeof replica.conversation>) =>
  store.getSnapshot().messages.map(({ key, delivery }) => `${key} ${delivery}`);

it("shows a message at once, and follows it to the end under one key", async () => {
  const { store, listener } = await open([message(1)]);
  const answer = store.send("hello");
  expect(delivery(store)).toEqual(["m1 sent", "id-1 queued"]);
  expect(store.getSnapshot().messages[1]).toMatchObject({ isOwn: true, senderId: "ann", content: { text: "hello" } });
  source.sending("id-1");
  expect(delivery(store)).toEqual(["m1 sent", "id-1 sending"]);
  const ack = source.ack("id-1", 2, "m2");
  await expect(answer).resolves.toEqual(ack);
  expect(delivery(store)).toEqual(["m1 sent", "id-1 sent"]);
  const [, acked] = store.getSnapshot().messages;
  expect(acked).toMatchObject({ messageId: "m2", seq: 2 });
  source.say(message(2, { content: { text: "hello" }, senderId: "ann", clientMessageId: "id-1", createdAt: ack.createdAt }));
  expect(store.getSnapshot().messages[1], "the event says nothing new").toBe(acked);
  await settle();
  expect(listener).toHaveBeenCalled();
});

it("takes the event before the ack", async () => {
  const { store } = await open();
  void store.send("hello");
  source.sending("id-1");
  source.say(message(1, { messageId: "msg-id-1", content: { text: "hello", html: "<b>clean</b>" }, senderId: "ann", clientMessageId: "id-1" }));
  expect(delivery(store)).toEqual(["id-1 sent"]);
  const [told] = store.getSnapshot().messages;
  source.ack("id-1", 1);
  await settle();
  expect(delivery(store)).toEqual(["id-1 sent"]);
  expect(store.getSnapshot().messages[0], "as the server has made it").toBe(told);
});

it("knows a message of one's own that another tab has sent, and nobody else's", async () => {
  const { store } = await open();
  void store.send("hello", { id: "shared" });
  source.say(message(1, { clientMessageId: "shared", senderId: "ben" }));
  expect(delivery(store), "of another sender the id means nothing").toEqual(["m1 sent", "shared queued"]);
  source.say(message(2, { clientMessageId: "shared", senderId: "ann" }));
  expect(delivery(store)).toEqual(["m1 sent", "shared sent"]);
});

it("shows messages that an earlier page left, wherever they come from", async () => {
  const old = source.send("c", { text: "left" }, { id: "old" });
  old.catch(() => undefined);
  replica.destroy();
  replica = createReplica(source);
  const { store } = await open([message(1)]);
  expect(delivery(store)).toEqual(["m1 sent", "old queued"]);
  const restored = { id: "older", conversationId: "c", content: { text: "restored" }, queuedAt: 0 };
  source.deliver({ type: "queued", message: restored });
  expect(delivery(store)).toEqual(["m1 sent", "old queued", "older queued"]);
});

it("keeps what failed until it is sent again or taken away", async () => {
  const { store, leave } = await open();
  const answers = ["too_old", "conflict", "forbidden"].map((code, i) => {
    const answer = store.send(code);
    source.fail(`id-${i + 1}`, code);
    return expect(answer).rejects.toMatchObject({ code });
  });
  await Promise.all(answers);
  leave();
  await settle();
  expect(delivery(store)).toEqual(["id-1 failed", "id-2 failed", "id-3 failed"]);
  expect(store.getSnapshot().messages[0]?.error?.code).toBe("too_old");

  store.retry("id-1");
  expect(source.sent.at(-1)?.id, "the same id is safe").toBe("id-1");
  store.retry("id-2");
  const next = source.sent.at(-1)?.id ?? "";
  expect(next, "that id would be refused again").not.toBe("id-2");
  store.discard("id-3");
  store.retry("id-3");
  store.retry("nothing");
  expect(delivery(store)).toEqual(["id-1 queued", "id-2 queued"]);
  source.ack(next, 1);
  await settle();
  expect(delivery(store), "shown as before").toEqual(["id-2 sent", "id-1 queued"]);
});

it("keeps the message under way when its id is used twice", async () => {
  const { store } = await open();
  void store.send("one", { id: "x" });
  source.deliver({
    type: "failed",
    message: { id: "x", conversationId: "c", content: { text: "two" }, queuedAt: 0 },
    error: Object.assign(new Error("twice"), { code: "duplicate_id", id: "x" }) as never,
  });
  expect(delivery(store)).toEqual(["x queued"]);
});

it("edits and deletes, and the newest version stands", async () => {
  const { store, texts } = await open([message(1), message(2)]);
  const [, second] = store.getSnapshot().messages;
  const updated = { type: "message_updated", ...PLACE, messageId: "m1", deleted: false } as const;
  source.say({ ...updated, content: { text: "new" }, updatedAt: "2026-01-02T00:00:02.000Z", seq: 3 });
  source.say({ ...updated, content: { text: "old" }, updatedAt: "2026-01-02T00:00:01.000Z", seq: 4 });
  expect(texts()).toEqual(["new", "text 2"]);
  expect(store.getSnapshot().messages[1]).toBe(second);
  source.say({ ...updated, content: null, deleted: true, updatedAt: "2026-01-02T00:00:03.000Z", seq: 5 });
  expect(store.getSnapshot().messages[0]).toMatchObject({ content: null, isDeleted: true });
  source.say(message(6, { content: null, deleted: true }));
  expect(store.getSnapshot().messages[2]).toMatchObject({ content: null, isDeleted: true });

  const edit = store.edit("m2", { text: "edited" });
  expect(source.next("m2")).toMatchObject({ method: "PATCH", body: { content: { text: "edited" } } });
  source.next("m2").answer(message(2, { content: { text: "edited" }, updatedAt: "2026-01-03T00:00:00.000Z" }));
  await edit;
  expect(texts()).toEqual([undefined, "edited", undefined]);
  const remove = expect(store.remove("m2")).rejects.toMatchObject({ status: 403 });
  source.next("m2").refuse(403, "forbidden");
  await remove;
});

it("begins empty for a visitor whose conversation does not exist yet", async () => {
  source.connect(VISITOR);
  const store = replica.conversation("c");
  expect(store.getSnapshot()).toMatchObject({ isLoading: true, messages: [], error: undefined });
  store.subscribe(() => undefined);
  expect(source.requests, "there is nothing to ask for").toEqual([]);
  expect(store.getSnapshot()).toMatchObject({ isLoading: true });
  confirm(1);
  source.next("/messages").answer({ messages: [], hasMore: false });
  await settle();
  expect(store.getSnapshot()).toMatchObject({ isLoading: false, messages: [], error: undefined, hasMore: false });
});

it("loads nothing for a visitor who is refused", async () => {
  source.connect(VISITOR);
  const store = replica.conversation("c");
  store.subscribe(() => undefined);
  source.subscription("conversation:c", { type: "refused", code: "forbidden" });
  await settle();
  expect(store.getSnapshot()).toMatchObject({ isLoading: false, messages: [], subscription: { type: "refused" } });
  expect(source.requests).toEqual([]);
});

it("tells a member of the team that there is no such conversation", async () => {
  source.connect(ANN);
  const store = replica.conversation("c");
  store.subscribe(() => undefined);
  source.next("/messages").refuse(404, "not_found");
  await settle();
  expect(store.getSnapshot()).toMatchObject({ isLoading: false, error: { code: "not_found" } });
});

it("tries again after a passing failure, no sooner than the server says", async () => {
  source.connect(ANN);
  const store = replica.conversation("c");
  const leave = store.subscribe(() => undefined);
  source.next().refuse(503, "unavailable", 5_000);
  await settle();
  expect(store.getSnapshot()).toMatchObject({ isLoading: true, error: { code: "unavailable" } });
  await vi.advanceTimersByTimeAsync(4_999);
  expect(source.requests).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  source.next().refuse(0, "unavailable");
  await vi.advanceTimersByTimeAsync(2_000);
  const { signal } = source.next();
  leave();
  await settle();
  expect(signal?.aborted, "nobody wants it any more").toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

it("tries at once when it is asked to", async () => {
  source.connect(ANN);
  const store = replica.conversation("c");
  const leave = store.subscribe(() => undefined);
  source.next().refuse(500);
  await settle();
  const again = store.loadMore();
  source.next().answer({ messages: [message(8), message(9)], hasMore: true });
  await again;
  expect(store.getSnapshot()).toMatchObject({ isLoading: false, error: undefined, unreadCount: 0 });
  confirm(9);
  expect(store.getSnapshot().unreadCount, "now it is known").toBe(2);
  void store.loadMore();
  source.next("before=8").refuse(500);
  await settle();
  expect(store.getSnapshot()).toMatchObject({ isLoadingMore: true, error: { status: 500 } });
  const more = store.loadMore();
  source.next("before=8").answer({ messages: [message(7)], hasMore: false });
  await more;
  expect(store.getSnapshot()).toMatchObject({ isLoadingMore: false, error: undefined, hasMore: false });
  leave();
});

it("loads once more when the page may be older than the subscription, and only then", async () => {
  source.connect(ANN);
  const store = replica.conversation("c");
  store.subscribe(() => undefined);
  source.next().answer({ messages: [message(1)], hasMore: false });
  await settle();
  confirm(1);
  expect(source.requests, "the page has the head").toEqual([]);
  source.disconnect();
  source.connect(ANN);
  confirm(3);
  expect(source.requests, "what was missed is replayed").toEqual([]);

  const other = replica.conversation("d");
  other.subscribe(() => undefined);
  source.next("/d/").answer({ messages: [message(1)], hasMore: false });
  await settle();
  source.say({ ...CONFIRMED_D, head: 2 });
  expect(source.next("/d/").path).toContain("limit=50");
});

const CONFIRMED_D: SubscriptionConfirmed = {
  type: "subscription_confirmed",
  channel: "conversation:d",
  epoch: "e",
  head: 0,
  recovered: true,
  replayed: 0,
};

it("keeps what is shown while it loads afresh, and never what was not sent", async () => {
  const { store, texts } = await open([message(1), message(2)]);
  void store.send("mine");
  const [first] = store.getSnapshot().messages;
  source.resync("conversation:c");
  expect(store.getSnapshot().isLoading).toBe(true);
  expect(texts()).toEqual(["text 1", "text 2", "mine"]);
  source.say(message(1_200));
  source.next().answer({ messages: [message(1), message(1_199)], hasMore: true });
  await settle();
  expect(texts()).toEqual(["text 1", "text 1199", "text 1200", "mine"]);
  expect(store.getSnapshot().messages[0]).toBe(first);
});

it("loads older messages, once at a time, and forgets the oldest when too many come", async () => {
  source.connect(ANN);
  const store = replica.conversation("c");
  store.subscribe(() => undefined);
  confirm(2_000);
  source.next().answer({ messages: [message(2_000)], hasMore: true });
  await settle();
  const [once, twice] = [store.loadMore(), store.loadMore()];
  expect(source.requests.map(({ path }) => path)).toEqual(["/v1/conversations/c/messages?before=2000&limit=50"]);
  expect(store.getSnapshot().isLoadingMore).toBe(true);
  source.next().answer({ messages: [message(1_998), message(1_999)], hasMore: false });
  await Promise.all([once, twice]);
  expect(store.getSnapshot()).toMatchObject({ isLoadingMore: false, hasMore: false });
  expect(store.getSnapshot().messages.map(({ seq }) => seq)).toEqual([1_998, 1_999, 2_000]);
  for (let seq = 2_001; seq <= 3_000; seq += 1) source.say(message(seq, { createdAt: "2026-01-01T00:00:00.000Z" }));
  const { messages, hasMore } = store.getSnapshot();
  expect([messages.length, messages[0]?.seq, hasMore]).toEqual([500, 2_501, true]);
});

it("ends typing by a message, by the word of the server, by reconnecting, and at last by itself", async () => {
  const { store } = await open();
  const ben = { userId: "ben", userType: "user" } as const;
  const typing = () => store.getSnapshot().typing;
  const draft = (content: string) => source.say({ type: "typing_progress", ...PLACE, ...ben, content });
  const indicate = (isTyping: boolean) => source.say({ type: "typing_indicator", ...PLACE, ...ben, isTyping });

  indicate(true);
  draft("he");
  indicate(true);
  expect(typing()).toEqual([{ ...ben, text: "he" }]);
  indicate(false);
  expect(typing()).toEqual([]);
  draft("hello");
  source.say(message(1));
  expect(typing()).toEqual([]);
  draft("hello");
  confirm(1, { typing: [{ userId: "bot", userType: "ai_agent" }] });
  expect(typing()).toEqual([{ userId: "bot", userType: "ai_agent" }]);
  draft("still");
  await vi.advanceTimersByTimeAsync(6_900);
  expect(typing()).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(200);
  expect(typing(), "of a draft one would have heard").toEqual([{ userId: "bot", userType: "ai_agent" }]);
  source.disconnect();
  expect(typing(), "nothing will be heard").toEqual([]);
});

it("lets no replayed event touch the state, which is newer", async () => {
  const { store, texts } = await open([message(1)]);
  source.disconnect();
  source.connect(ANN);
  const ben = { userId: "ben", userType: "user" } as const;
  confirm(4, { replayed: 3, status: "open", typing: [ben] });
  source.say({ type: "conversation_status_changed", ...PLACE, status: "closed", seq: 2 });
  source.say(message(3));
  expect(store.getSnapshot()).toMatchObject({ status: "open", typing: [ben] });
  source.say({ type: "conversation_status_changed", ...PLACE, status: "open", seq: 4 });
  expect(texts(), "the messages are what it was replayed for").toEqual(["text 1", "text 3"]);
  source.say({ type: "conversation_status_changed", ...PLACE, status: "resolved", seq: 5 });
  expect(store.getSnapshot()).toMatchObject({ status: "resolved", typing: [ben] });
});

it("moves its mark forward only, counts what is past it, and says it again until it is heard", async () => {
  const { store } = await open([message(1), message(2, { senderId: "ann" }), message(3)]);
  expect(store.getSnapshot().unreadCount).toBe(2);
  store.markSeen(1);
  expect(store.getSnapshot().unreadCount).toBe(1);
  store.markSeen(0);
  source.disconnect();
  store.markSeen();
  expect(store.getSnapshot().unreadCount).toBe(0);
  source.connect(ANN);
  confirm(3, { seen: [{ ...ANN, lastSeenSeq: 1 }] });
  const marks = () => source.passed.filter(({ type }) => type === "mark_seen").map(({ seq }) => seq);
  expect(marks()).toEqual([1, 3]);
  source.say({ type: "conversation_seen", ...PLACE, ...ANN, lastSeenSeq: 3, seenAt: "2026-01-01T00:00:00.000Z" });
  confirm(3, { seen: [{ ...ANN, lastSeenSeq: 3 }] });
  expect(marks()).toEqual([1, 3]);
  source.say(message(4, { content: null, deleted: true }));
  source.say(message(5));
  expect(store.getSnapshot().unreadCount).toBe(1);
});

it("tells again after a reconnect that it is open, and leaves when nobody looks", async () => {
  const { store, leave } = await open();
  store.setViewing(true);
  source.disconnect();
  source.connect(ANN);
  confirm(0);
  leave();
  await settle();
  expect(source.passed.map(({ type }) => type)).toEqual(["viewing_start", "viewing_start", "viewing_stop"]);
});

it("ends an emptied draft", async () => {
  const { store } = await open();
  store.setTyping("h");
  store.setTyping("");
  expect(source.typed).toEqual(["h", "", "<stop>"]);
});

it("knows who typed, saw and wrote after its visitor became somebody known", async () => {
  const { store } = await open([message(1, { senderType: "visitor", senderId: "vic" })]);
  source.say({ type: "conversation_seen", ...PLACE, ...VISITOR, lastSeenSeq: 1, seenAt: "2026-01-01T00:00:00.000Z" });
  source.say({
    type: "visitor_identified",
    visitorId: "nina",
    previousVisitorId: "vic",
    identity: { name: "Nina" },
    websiteId: "site",
    organizationId: "org",
  });
  const { visitorId, seen, messages } = store.getSnapshot();
  expect([visitorId, seen[0]?.userId, messages[0]?.senderId]).toEqual(["nina", "nina", "nina"]);
});

it("calls listeners once a microtask, whatever one of them throws, and not for nothing", async () => {
  const { store, listener } = await open([message(1)]);
  const thrown: unknown[] = [];
  const onThrown = (error: unknown) => thrown.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", onThrown);
  store.subscribe(() => {
    throw new Error("the listener's own");
  });
  const later = vi.fn();
  store.subscribe(later);
  source.say(message(2));
  source.say(message(3));
  expect(listener).not.toHaveBeenCalled();
  await settle();
  expect([listener.mock.calls.length, later.mock.calls.length]).toEqual([1, 1]);
  const before = store.getSnapshot();
  source.say(message(3));
  source.say({ type: "typing_indicator", ...PLACE, userId: "ben", userType: "user", isTyping: false });
  await settle();
  expect(store.getSnapshot()).toBe(before);
  expect(listener).toHaveBeenCalledTimes(1);
  vi.useRealTimers();
  await vi.waitFor(() => expect(thrown).toHaveLength(1));
  process.off("uncaughtException", onThrown);
  for (const other of others) process.on("uncaughtException", other);
  vi.useFakeTimers();
  expect(Object.isFrozen(before)).toBe(true);
  expect(Object.isFrozen(before.messages)).toBe(true);
});

it("is the same object while anybody uses it, and goes on over a remount", async () => {
  const { store, leave } = await open([message(1)]);
  expect(replica.conversation("c")).toBe(store);
  leave();
  const again = store.subscribe(() => undefined);
  await settle();
  expect(source.holds.get("conversation:c"), "held all the time").toBe(1);
  expect(source.requests).toEqual([]);
  again();
  await settle();
  expect(source.holds.size).toBe(0);
  store.subscribe(() => undefined);
  expect(store.getSnapshot().messages, "shown at once").toHaveLength(1);
  expect(source.requests, "and loaded anew").toHaveLength(1);
  for (let i = 0; i < 30; i += 1) replica.conversation(`idle-${i}`).subscribe(() => undefined)();
  await settle();
  expect(replica.conversation("c")).toBe(store);
});
