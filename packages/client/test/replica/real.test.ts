/** Replicas against the real server. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { createClient, type Client, type ConversationStore, type WebSocketConfig } from "../../src/index.js";
import { startReal, type RealServer } from "../support/real.js";
import { until } from "../support/wait.js";

let server: RealServer;
beforeAll(async () => {
  server = await startReal();
});
afterAll(() => server.stop());

const clients: Client[] = [];
afterEach(() => clients.splice(0).forEach((client) => client.destroy()));

function connect(config: WebSocketConfig): Client {
  const client = createClient({ url: server.wsUrl, visitorTokenStore: "memory", reconnectDelay: 50, ...config });
  client.connect();
  clients.push(client);
  return client;
}

const visitorOf = () => connect({ publicKey: "pk_dev" });
const userOf = (name: string) => connect({ getToken: () => server.token("user", name) });

function show(client: Client, id: string): ConversationStore {
  const store = client.conversation(id);
  store.subscribe(() => undefined);
  return store;
}

const textsOf = (store: ConversationStore) => store.getSnapshot().messages.map(({ content }) => content?.text ?? null);
const isReady = (store: ConversationStore) => {
  const { isLoading, subscription } = store.getSnapshot();
  return !isLoading && subscription?.type === "confirmed";
};

test("a visitor and a user talk, and see each other do it", async () => {
  const visitor = show(visitorOf(), "real-talk");
  await until("the visitor is there", () => isReady(visitor));
  await visitor.send("hello");
  const user = show(userOf("grace"), "real-talk");
  const inboxClient = userOf("heidi");
  const inbox = inboxClient.inbox("website-123");
  inbox.subscribe(() => undefined);
  await until("the user has loaded", () => isReady(user) && textsOf(user).length === 1);
  expect(user.getSnapshot()).toMatchObject({ unreadCount: 1, isVisitorOnline: true, status: "open" });
  const rowOf = () => inbox.getSnapshot().conversations.find((row) => row.conversationId === "real-talk");
  await until("the inbox has it", () => rowOf()?.unreadCount === 1);

  user.setViewing(true);
  user.setTyping("I am");
  await until("typing is seen", () => visitor.getSnapshot().typing.length === 1);
  visitor.setTyping("and so");
  await until("the draft is seen", () => user.getSnapshot().typing[0]?.text === "and so");
  await until("the preview is seen", () => rowOf()?.typing.some(({ text }) => text === "and so"));
  user.markSeen();
  await until("reading is seen", () => visitor.getSnapshot().seen.some(({ lastSeenSeq }) => lastSeenSeq === 2));
  expect(user.getSnapshot().unreadCount).toBe(0);
  await Promise.all([user.send("hi"), user.send("how are you?")]);
  await until("the answers are there", () => textsOf(visitor).length === 3);
  await until("a message ends typing", () => visitor.getSnapshot().typing.length === 0);
  expect(visitor.getSnapshot().messages.map(({ isOwn }) => isOwn)).toEqual([true, false, false]);
  expect(visitor.getSnapshot().unreadCount).toBe(2);

  const [, answer] = user.getSnapshot().messages;
  await user.edit(answer?.messageId ?? "", { text: "good morning" });
  await until("the edit is seen", () => textsOf(visitor)[1] === "good morning");
  await user.update({ status: "resolved", assignedTeamMemberId: "grace" });
  await until("the status is seen", () => visitor.getSnapshot().status === "resolved");
  await until("the inbox follows", () => rowOf()?.assignedTeamMemberId === "grace");
  await visitor.send("one more thing");
  await until("it is open again", () => user.getSnapshot().status === "open");
});

test("a restart in the middle loses and doubles nothing", async () => {
  const visitor = show(visitorOf(), "real-restart");
  await until("the visitor is there", () => isReady(visitor));
  const user = show(userOf("grace"), "real-restart");
  await visitor.send("before");
  await until("the user has it", () => textsOf(user).length === 1);
  await server.kill();
  const during = [visitor.send("during 1"), visitor.send("during 2")];
  expect(textsOf(visitor)).toEqual(["before", "during 1", "during 2"]);
  await server.restart();
  await Promise.all(during);
  const all = ["before", "during 1", "during 2"];
  await until("the user has all", () => textsOf(user).length === 3);
  expect([textsOf(user), textsOf(visitor)]).toEqual([all, all]);
  expect(visitor.getSnapshot().messages.map(({ delivery }) => delivery)).toEqual(["sent", "sent", "sent"]);
});

test("1,100 missed events and a deletion meanwhile: loaded afresh", async () => {
  const visitor = show(visitorOf(), "real-missed");
  await until("the visitor is there", () => isReady(visitor));
  await visitor.send("first");
  const away = userOf("grace");
  const resyncs: string[] = [];
  away.addHandlers(() => ({ onResync: (channel) => resyncs.push(channel) }));
  const user = show(away, "real-missed");
  await until("the user has loaded", () => isReady(user) && textsOf(user).length === 1);
  away.disconnect();
  const other = show(userOf("heidi"), "real-missed");
  await until("the other one has loaded", () => textsOf(other).length === 1);
  for (let sent = 0; sent < 1_100; sent += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => other.send(`missed ${sent + i}`)));
  }
  const last = other.getSnapshot().messages.at(-1);
  await other.remove(last?.messageId ?? "");
  const counts = new Set<number>();
  user.subscribe(() => counts.add(user.getSnapshot().messages.length));
  away.connect();
  await until("the user has loaded afresh", () => textsOf(user).length > 1 && !user.getSnapshot().isLoading);
  expect(resyncs).toEqual(["conversation:real-missed"]);
  expect([...counts].every((count) => count > 0), "never empty").toBe(true);
  expect(user.getSnapshot()).toMatchObject({ hasMore: true });
  expect(textsOf(user)).toHaveLength(50);
  expect(textsOf(user).at(-1)).toBeNull();
  await user.loadMore();
  const seqs = user.getSnapshot().messages.map(({ seq = 0 }) => seq);
  expect(seqs).toHaveLength(100);
  expect(seqs.every((seq, i) => i === 0 || seq === (seqs[i - 1] ?? 0) + 1)).toBe(true);
}, 60_000);

test("a deletion while away is seen after coming back", async () => {
  const visitor = show(visitorOf(), "real-deleted");
  await until("the visitor is there", () => isReady(visitor));
  await visitor.send("keep");
  await visitor.send("regret");
  const away = userOf("grace");
  const user = show(away, "real-deleted");
  await until("the user has both", () => isReady(user) && textsOf(user).length === 2);
  away.disconnect();
  await visitor.remove(visitor.getSnapshot().messages[1]?.messageId ?? "");
  await until("it is gone for the visitor", () => textsOf(visitor)[1] === null);
  const [kept] = user.getSnapshot().messages;
  away.connect();
  await until("it is gone for the user", () => textsOf(user)[1] === null);
  expect(user.getSnapshot().messages[0], "what did not change stays the same object").toBe(kept);
});

test("a visitor who becomes somebody known keeps the conversation", async () => {
  const tokens = new Map<string, string | null>();
  const visitorTokenStore = {
    get: (name: string) => tokens.get(name),
    set: (name: string, token: string | null) => void tokens.set(name, token),
  };
  const client = connect({ publicKey: "pk_dev", visitorTokenStore });
  const visitor = show(client, "real-known");
  await until("the visitor is there", () => isReady(visitor));
  await visitor.send("who am I?");
  const user = show(userOf("grace"), "real-known");
  await until("the user has it", () => textsOf(user).length === 1);
  const before = user.getSnapshot().visitorId;
  // As a page would do it, which has an origin.
  const [visitorToken] = tokens.values();
  const body = JSON.stringify({ publicKey: "pk_dev", visitorToken, identityToken: server.identity("nina") });
  const headers = { "Content-Type": "application/json", Origin: "http://localhost" };
  const answer = await fetch(`${server.url}/v1/visitors`, { method: "POST", headers, body });
  expect(answer.status).toBe(201);
  await visitor.send("Nina");
  await until("the user has both", () => textsOf(user).length === 2);
  const { messages, visitorId } = user.getSnapshot();
  expect(new Set(messages.map(({ senderId }) => senderId)).size, `${before} became ${visitorId}`).toBe(1);
  expect(visitor.getSnapshot().messages.map(({ isOwn }) => isOwn)).toEqual([true, true]);
  expect(textsOf(visitor)).toEqual(["who am I?", "Nina"]);
});
