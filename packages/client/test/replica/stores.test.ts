/** Stores before their code is here, and what becomes of what happens until then. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { ServerMessages } from "@cossistant/protocol/types";

import type { ConversationStore } from "../../src/index.js";
import * as inboxCode from "../../src/replica/inbox.js";
import { FIRST_RETRY_DELAY } from "../../src/replica/lazy.js";
import * as replicaCode from "../../src/replica/replica.js";
import { createStores, FACTS_LOADED, FACTS_MAX } from "../../src/replica/stores.js";
import { FakeSource, settle } from "./fake.js";

const ANN = { userId: "ann", userType: "user" } as const;
const PLACE = { conversationId: "c", websiteId: "site", organizationId: "org" };

let source: FakeSource;
let stores: ReturnType<typeof createStores>;
/** How often the code of the replica was asked for. */
let asked: number;
/** Where the code is. */
let network: "away" | "slow" | "fast";
let arrive: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  source = new FakeSource();
  asked = 0;
  network = "slow";
  const arrival = new Promise<void>((resolve) => (arrive = resolve));
  stores = createStores(source, {
    async replica() {
      asked += 1;
      if (network === "away") throw new TypeError("failed to fetch");
      if (network === "slow") await arrival;
      return replicaCode;
    },
    inbox: async () => inboxCode,
  });
});
afterEach(() => {
  stores.destroy();
  expect(vi.getTimerCount(), "no timer is left").toBe(0);
  vi.useRealTimers();
});

function confirm(head: number): void {
  source.subscription("conversation:c", { type: "confirmed" });
  const told = { channel: "conversation:c", epoch: "e", head, recovered: true, replayed: 0 };
  source.say({ type: "subscription_confirmed", ...told, visitorId: "vic", status: "open", assignedTeamMemberId: null });
}

function status(seq: number, next: "resolved" | "closed"): ServerMessages {
  return { type: "conversation_status_changed", ...PLACE, seq, status: next };
}

const delivery = (store: ConversationStore) => store.getSnapshot().messages.map(({ key, delivery }) => `${key} ${delivery}`);

describe("a conversation", () => {
  it("is empty and loading until its code is here, and the same store then", async () => {
    source.connect(ANN);
    const store = stores.conversation("c");
    expect(stores.conversation("c")).toBe(store);
    const empty = store.getSnapshot();
    expect(empty).toMatchObject({ conversationId: "c", messages: [], isLoading: true, error: undefined, unreadCount: 0 });
    expect(store.getSnapshot()).toBe(empty);
    await settle();
    expect(asked, "nobody listens").toBe(0);
    const leave = store.subscribe(() => undefined);
    expect(asked, "at once, beside the engine").toBe(1);
    arrive();
    await settle();
    expect([...source.holds.keys()]).toEqual(["conversation:c"]);
    expect(stores.conversation("c")).toBe(store);
    expect(stores.conversation("other").getSnapshot(), "no further wait").toMatchObject({ isLoading: true });
    source.next("/c/messages").answer({ messages: [], hasMore: false });
    await settle();
    expect(store.getSnapshot()).toMatchObject({ isLoading: false });
    leave();
    await settle();
    expect(source.holds.size).toBe(0);
    const { isLoading } = store.getSnapshot();
    expect(isLoading, "what was loaded is kept").toBe(false);
    store.subscribe(() => undefined);
    expect(source.requests, "loaded anew").toHaveLength(1);
    expect(asked).toBe(1);
  });

  it("tells its state though all of it was told before its code came", async () => {
    source.connect(ANN);
    source.hold("conversation:c");
    confirm(3);
    source.say(status(4, "resolved"));
    const store = stores.conversation("c");
    const listener = vi.fn();
    store.subscribe(listener);
    source.say(status(5, "closed"));
    arrive();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ visitorId: "vic", status: "closed", subscription: { type: "confirmed" } });
    expect(listener).toHaveBeenCalled();
  });

  it("sends at once, in order with all else, and shows it when its code comes", async () => {
    source.connect(ANN);
    const store = stores.conversation("c");
    store.subscribe(() => undefined);
    const answers = [store.send("one"), source.send("c", { text: "two" }, {}), store.send({ text: "three" })];
    expect(source.sent.map(({ content }) => content.text)).toEqual(["one", "two", "three"]);
    source.sending("id-1");
    source.ack("id-1", 1, "m1");
    source.sending("id-2");
    source.fail("id-2", "forbidden");
    await expect(answers[0]).resolves.toMatchObject({ messageId: "m1" });
    await expect(answers[1]).rejects.toMatchObject({ code: "forbidden" });
    arrive();
    await settle();
    expect(delivery(store), "the stored one comes with its page").toEqual(["id-2 failed", "id-3 queued"]);
    store.retry("id-2");
    expect(delivery(store)).toEqual(["id-3 queued", "id-2 queued"]);
  });

  it("types at once, and tells what was seen and viewed once it can", async () => {
    source.connect(ANN);
    const store = stores.conversation("c");
    const leave = store.subscribe(() => undefined);
    store.setTyping("Hel");
    store.setTyping("");
    expect(source.typed).toEqual(["Hel", "", "<stop>"]);
    store.markSeen(4);
    store.markSeen(2);
    store.markSeen();
    store.setViewing(false);
    store.setViewing(true);
    store.retry("x");
    store.discard("x");
    arrive();
    await settle();
    expect(source.passed).toEqual([
      { type: "mark_seen", conversationId: "c", seq: 4 },
      { type: "viewing_stop", conversationId: "c" },
      { type: "viewing_start", conversationId: "c" },
    ]);
    leave();
    await settle();
    expect(source.passed.at(-1)).toEqual({ type: "viewing_stop", conversationId: "c" });
  });

  it("is not viewed by whoever left before its code came", async () => {
    source.connect(ANN);
    const store = stores.conversation("c");
    const leave = store.subscribe(() => undefined);
    store.setViewing(true);
    leave();
    await settle();
    arrive();
    await settle();
    expect(source.passed).toEqual([]);
    expect(source.holds.size).toBe(0);
  });

  it("gets its code for what is asked of it, though nobody listens", async () => {
    source.connect(ANN);
    network = "away";
    const store = stores.conversation("c");
    await expect(store.edit("m1", { text: "new" })).rejects.toMatchObject({ name: "RequestError", status: 0, code: "unavailable" });
    store.markSeen(3);
    await settle();
    expect(vi.getTimerCount(), "nobody waits for it").toBe(0);
    network = "fast";
    void store.edit("m1", { text: "new" });
    await settle();
    expect(source.passed).toEqual([{ type: "mark_seen", conversationId: "c", seq: 3 }]);
    expect(source.next().path).toBe("/v1/conversations/c/messages/m1");
  });

  it("tells that its code is not to be had, and tries again: later and later, when asked, and after a reconnect", async () => {
    source.connect(ANN);
    network = "away";
    const store = stores.conversation("c");
    const leave = store.subscribe(() => undefined);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ isLoading: true, error: { name: "RequestError", code: "unavailable" } });
    for (const [tries, delay] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      expect(asked).toBe(1 + tries);
      await vi.advanceTimersByTimeAsync(delay * FIRST_RETRY_DELAY - 1);
      expect(asked).toBe(1 + tries);
      await vi.advanceTimersByTimeAsync(1);
    }
    await store.loadMore();
    await settle();
    expect(asked).toBe(9);
    source.disconnect();
    source.connect(ANN);
    await settle();
    expect(asked).toBeGreaterThan(9);
    leave();
    await settle();
    expect(vi.getTimerCount(), "nobody waits for it").toBe(0);
    network = "fast";
    store.subscribe(() => undefined);
    await settle();
    source.next().answer({ messages: [], hasMore: false });
    await settle();
    expect(store.getSnapshot()).toMatchObject({ isLoading: false, error: undefined });
  });

  it("ends typing that was told long before its code came", async () => {
    source.connect(ANN);
    source.hold("conversation:c");
    confirm(1);
    const typing = { ...PLACE, userId: "ben", userType: "user", isTyping: true } as const;
    source.say({ type: "typing_indicator", ...typing });
    vi.advanceTimersByTime(50_000);
    const store = stores.conversation("c");
    store.subscribe(() => undefined);
    arrive();
    await settle();
    expect(store.getSnapshot().typing).toHaveLength(1);
    vi.advanceTimersByTime(10_000);
    expect(store.getSnapshot().typing).toEqual([]);
  });
});

describe("an inbox", () => {
  it("is there at once, though its code comes later", async () => {
    source.connect(ANN);
    const store = stores.inbox("site");
    expect(stores.inbox("site")).toBe(store);
    const empty = store.getSnapshot();
    expect(empty).toMatchObject({ conversations: [], isLoading: true, filter: {}, websiteId: "site" });
    expect(store.getSnapshot()).toBe(empty);
    const leave = store.subscribe(() => undefined);
    store.setFilter({ status: "open" });
    await store.loadMore();
    arrive();
    await settle();
    expect(source.next().path).toContain("status=open");
    source.next().answer({ conversations: [], nextCursor: null });
    await settle();
    expect(store.getSnapshot()).toMatchObject({ isLoading: false, filter: { status: "open" } });
    expect(store.getSnapshot()).toBe(store.getSnapshot());
    leave();
    await settle();
    expect(source.holds.size).toBe(0);
    store.subscribe(() => undefined);
    expect(source.requests, "loaded anew").toHaveLength(1);
  });
});

describe("what happens before the code is here", () => {
  it("is summed up once it is much, and the newest of it is kept if it cannot be", async () => {
    source.connect(ANN);
    source.hold("conversation:c");
    confirm(0);
    network = "away";
    let seq = 0;
    const say = async (count: number) => {
      for (let i = 0; i < count; i += 1) source.say(status((seq += 1), "resolved"));
      await settle();
    };
    await say(FACTS_LOADED - 10);
    expect(asked).toBe(0);
    await say(10);
    expect(asked).toBe(1);
    await say(FACTS_MAX - FACTS_LOADED);
    expect(asked, "not for each one more").toBe(2);
    // The state was told among what is gone: it is unknown until it is told again.
    const store = stores.conversation("c");
    store.subscribe(() => undefined);
    network = "fast";
    await vi.advanceTimersByTimeAsync(FIRST_RETRY_DELAY);
    expect(store.getSnapshot().status).toBeUndefined();
    confirm(seq);
    expect(store.getSnapshot().status).toBe("open");
  });

  it("is nothing any more once the client has ended", async () => {
    source.connect(ANN);
    const store = stores.conversation("c");
    store.subscribe(() => undefined);
    stores.destroy();
    arrive();
    await settle();
    expect(source.holds.size).toBe(0);
    expect(source.requests).toEqual([]);
  });
});
