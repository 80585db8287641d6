/** Whatever happens in whatever order, and whenever its code comes, the replica comes to show what the server has. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { ConversationSnapshot, InboxFilter } from "../../src/index.js";
import * as inboxCode from "../../src/replica/inbox.js";
import * as replicaCode from "../../src/replica/replica.js";
import { createStores } from "../../src/replica/stores.js";
import { random, settle } from "./fake.js";
import { SELF, SITE, type Person } from "./model.js";
import { World } from "./world.js";

const SEEDS = Number(process.env["SEEDS"] ?? 60);
const FIRST_SEED = Number(process.env["SEED"] ?? 1);

const VISITORS = ["vic", "val", "known"];
const PEOPLE: readonly Person[] = [
  SELF,
  { userId: "ben", userType: "user" },
  { userId: "bot", userType: "ai_agent" },
];

const { createInboxStore } = inboxCode;
const { createReplica } = replicaCode;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** Something happens somewhere. */
function happen(world: World, dice: ReturnType<typeof random>): void {
  const { model } = world;
  const id = dice.of([...model.threads.keys()]);
  const thread = model.thread(id);
  const visitor: Person = { userId: thread.visitorId, userType: "visitor" };
  const person = dice.of([...PEOPLE, visitor]);
  const text = `text ${dice.below(1_000)}`;
  const message = thread.messages.at(-1 - dice.below(Math.max(1, thread.messages.length)));
  switch (dice.below(13)) {
    case 0:
    case 1:
    case 2:
      return void model.post(id, person, text);
    case 3:
      return message && model.edit(id, message.messageId, text);
    case 4:
      return message && model.edit(id, message.messageId, null);
    case 5:
      return model.status(id, dice.of(["open", "pending", "resolved", "closed"]));
    case 6:
      return model.assign(id, dice.of(["ann", "ben", null]));
    case 7:
      return model.type(id, person, dice.chance(0.6));
    case 8:
      return model.draft(id, person, text);
    case 9:
      return model.see(id, person, dice.below(thread.events.length + 1));
    case 10:
      return model.view(id, "ben", dice.chance(0.5));
    case 11:
      return model.act(id, "bot", dice.of(["thinking", "writing", "done"]));
    default:
      if (dice.chance(0.15)) return model.identify(visitor.userId, "known");
      return model.visit(dice.of(VISITORS), dice.chance(0.5));
  }
}

/** Something small moves on the network. */
async function move(world: World, dice: ReturnType<typeof random>): Promise<void> {
  switch (dice.below(4)) {
    case 0:
      world.serve(world.unserved()[dice.below(world.unserved().length)]);
      break;
    case 1:
      world.answers.splice(dice.below(Math.max(1, world.answers.length)), 1)[0]?.();
      break;
    default:
      world.wire.shift()?.();
  }
  await settle();
}

/** The state without what is of no order, and without drafts, which a fresh subscriber is not told. */
function stateOf(snapshot: ConversationSnapshot) {
  const sorted = <State extends { userId: string }>(list: readonly State[]) =>
    list.map(({ ...state }) => ({ ...state, text: undefined })).sort((a, b) => (a.userId < b.userId ? -1 : 1));
  const { visitorId, status, assignedTeamMemberId, isVisitorOnline } = snapshot;
  return {
    visitorId,
    status,
    assignedTeamMemberId,
    isVisitorOnline,
    seen: sorted(snapshot.seen),
    typing: sorted(snapshot.typing),
    viewing: sorted(snapshot.viewing),
    activity: sorted(snapshot.activity),
  };
}

describe("a conversation", () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))("is that of a fresh subscriber (seed %i)", async (seed) => {
    const dice = random(seed);
    const world = new World(dice.of([1_000, 3]));
    const { model, source } = world;
    model.create("c", "vic");
    for (let count = dice.below(150); count > 0; count -= 1) model.post("c", dice.of(PEOPLE), "before");
    let arrive = () => {};
    const arrival = new Promise<void>((resolve) => (arrive = resolve));
    const stores = createStores(source, { replica: () => arrival.then(() => replicaCode), inbox: async () => inboxCode });
    const store = stores.conversation("c");
    const leave: (() => void)[] = [];
    // Somebody else may have the channel, and the client have heard much of it, before a screen shows it.
    if (dice.chance(0.5)) leave.push(source.hold("conversation:c"));
    if (dice.chance(0.3)) leave.push(stores.inbox(SITE).subscribe(() => undefined));
    const shownFrom = dice.below(100);
    const codeFrom = dice.below(150);
    if (dice.chance(0.7)) world.connect();

    for (let step = 0; step < 150; step += 1) {
      if (step === shownFrom) leave.push(store.subscribe(() => undefined));
      if (step === codeFrom) arrive();
      const kind = dice.below(20);
      if (kind < 8) happen(world, dice);
      else if (kind < 17) await move(world, dice);
      else if (kind === 17) void store.loadMore();
      else if (kind === 18 && source.isConnected && dice.chance(0.3)) world.disconnect();
      else if (!source.isConnected) world.connect();
      const places = store.getSnapshot().messages.map(({ seq = 0 }) => seq);
      expect(places, "in order, and none twice").toEqual([...new Set(places)].sort((a, b) => a - b));
    }
    if (!source.isConnected) world.connect();
    await world.rest();
    const fresh = createReplica(source);
    fresh.conversation("c").subscribe(() => undefined);
    source.say(model.confirmation("conversation:c"));
    const shown = store.getSnapshot();
    expect(stateOf(shown)).toEqual(stateOf(fresh.conversation("c").getSnapshot()));
    fresh.destroy();

    const { messages } = model.thread("c");
    const expected = messages.slice(messages.length - shown.messages.length);
    expect(shown.messages.map(({ messageId, content, seq, isDeleted, senderId }) => ({ messageId, content, seq, isDeleted, senderId }))).toEqual(
      expected.map(({ messageId, content, seq, deleted = false, senderId }) => ({ messageId, content, seq, isDeleted: deleted, senderId })),
    );
    expect(shown.messages.length).toBeGreaterThanOrEqual(Math.min(50, messages.length));
    expect(shown.hasMore).toBe(shown.messages.length < messages.length);
    expect(shown).toMatchObject({ isLoading: false, isLoadingMore: false, error: undefined });
    if (!shown.hasMore) expect(shown.unreadCount).toBe(model.unread(model.thread("c")));
    for (const end of leave) end();
    stores.destroy();
    expect(vi.getTimerCount(), "no timer is left").toBe(0);
  });
});

describe("an inbox", () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))("is the list of the server (seed %i)", async (seed) => {
    const dice = random(seed);
    const world = new World(dice.of([1_000, 5]));
    const { model, source } = world;
    const count = 5 + dice.below(120);
    for (let i = 0; i < count; i += 1) model.create(`c${i}`, dice.of(VISITORS));
    for (let i = 0; i < 2 * count; i += 1) happen(world, dice);
    const filters: readonly InboxFilter[] = [{}, { status: "open" }, { assignee: "me" }, { assignee: "none", status: "pending" }];
    const replica = createReplica(source);
    const store = createInboxStore(replica, SITE);
    const leave = store.subscribe(() => undefined);
    store.setFilter(dice.of(filters));
    world.connect();

    for (let step = 0; step < 250; step += 1) {
      const kind = dice.below(24);
      if (kind < 8) happen(world, dice);
      else if (kind < 19) await move(world, dice);
      else if (kind === 19) model.create(`new-${step}`, dice.of(VISITORS));
      else if (kind === 20) void store.loadMore();
      else if (kind === 21 && dice.chance(0.3)) store.setFilter(dice.of(filters));
      else if (kind === 22 && source.isConnected && dice.chance(0.3)) world.disconnect();
      else if (!source.isConnected) world.connect();
    }
    if (!source.isConnected) world.connect();
    await world.rest();
    const shown = store.getSnapshot();
    expect(shown).toMatchObject({ isLoading: false, isLoadingMore: false, error: undefined });
    const rows = shown.conversations;
    const order = rows.map(({ lastActivityAt }) => lastActivityAt);
    expect(order, "newest first").toEqual([...order].sort().reverse());
    // Not every event tells its time, so where the order is near the server's is not for the model to say.
    const listed = model.listed(shown.filter);
    const loaded = listed.slice(0, rows.length);
    const expected = loaded.map((thread) => {
      const { lastMessage, lastActivityAt, ...item } = model.item(thread);
      const typing = model.confirmation(`conversation:${thread.id}`).typing?.map(({ userId }) => userId);
      return { ...item, text: lastMessage?.content, typing: typing?.sort() };
    });
    const facts = rows.map(({ lastMessage, lastActivityAt, visitor, isOnline: online, ...row }) => {
      const typing = row.typing.map(({ userId }) => userId);
      return { ...row, online, text: lastMessage?.content, typing: typing.sort() };
    });
    const byId = (a: { conversationId: string }, b: { conversationId: string }) => (a.conversationId < b.conversationId ? -1 : 1);
    // Of a visitor without an open conversation nobody is told who comes and goes.
    const told = <Item extends { status: string; online: boolean }>(item: Item) => (item.status === "closed" ? { ...item, online: undefined } : item);
    expect(facts.sort(byId).map(told)).toEqual(expected.sort(byId).map(told));
    expect(shown.hasMore).toBe(rows.length < listed.length);
    expect(shown.unreadCount).toBe(loaded.reduce((sum, thread) => sum + model.unread(thread), 0));
    leave();
    replica.destroy();
  });
});
