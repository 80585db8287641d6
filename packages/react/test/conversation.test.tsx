/** Conversations and the inbox, with the real server. */

import { act, render } from "@testing-library/react/pure";
import { useEffect, version, type ReactNode } from "react";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { startReal, type RealServer } from "../../client/test/support/real.js";
import {
  useConversation,
  useInbox,
  WebSocketProvider,
  type ConversationMessage,
  type InboxFilter,
  type UseConversationReturn,
  type UseInboxReturn,
  type WebSocketConfig,
} from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

const WEBSITE = "website-123";
let server: RealServer;
beforeAll(async () => {
  server = await startReal();
});
afterAll(() => server.stop());

let count = 0;
/** An id that no other test uses. */
const unique = (name: string) => `${name}-${(count += 1)}`;

/** What a hook returned last, and how often it rendered. */
interface Shown<Value> {
  now: Value;
  renders: number;
}

function mounted<Value>(use: () => Value, config: WebSocketConfig) {
  const shown = { renders: 0 } as Shown<Value>;
  function Component() {
    shown.renders += 1;
    const value = use();
    useEffect(() => {
      shown.now = value;
    });
    return null;
  }
  const tree = (children: ReactNode) => <WebSocketProvider config={config}>{children}</WebSocketProvider>;
  const { unmount, rerender } = render(tree(<Component />));
  return { shown, unmount, again: () => rerender(tree(<Component />)) };
}

const as = (type: "user" | "visitor", sub: string): WebSocketConfig => ({
  url: server.wsUrl,
  reconnectDelay: 20,
  getToken: () => server.token(type, sub),
});
const texts = ({ messages }: UseConversationReturn) => messages.map(({ content }) => content?.text);

describe("useConversation", () => {
  test("a message is shown at once, and becomes the stored one without moving", async () => {
    const id = unique("optimistic");
    const history: ConversationMessage[] = [];
    const { shown } = mounted(() => {
      const conversation = useConversation(id);
      history.push(...conversation.messages);
      return conversation;
    }, as("visitor", "ada"));
    await until("it is loaded", () => shown.now?.isLoading === false && shown.now.subscription?.type === "confirmed");
    const ack = await shown.now.send("hello", { metadata: { from: "test" } });
    await until("it is shown as sent", () => history.at(-1)?.delivery === "sent");
    // Shown before the server has answered, and never twice.
    expect(history[0]?.delivery).toMatch(/queued|sending/);
    for (const message of history) {
      const { key } = history[0] ?? {};
      expect(message).toMatchObject({ key, isOwn: true, content: { text: "hello" }, metadata: { from: "test" } });
    }
    expect(shown.now.messages).toEqual([
      expect.objectContaining({ messageId: ack.messageId, clientMessageId: ack.id, seq: ack.seq, delivery: "sent" }),
    ]);
  });

  test("two people see each other's messages, typing, marks and presence", async () => {
    const id = unique("two");
    const visitor = mounted(() => useConversation(id), as("visitor", "ada"));
    await until("the visitor is there", () => visitor.shown.now?.subscription?.type === "confirmed");
    const user = mounted(() => useConversation(id), as("user", "grace"));
    await until("the user sees the visitor", () => user.shown.now?.online === true);
    await until("the visitor sees the team", () => visitor.shown.now.online === true);
    visitor.shown.now.setTyping("Where is");
    visitor.shown.now.setTyping("Where is my order?");
    await until("the user sees the draft", () => user.shown.now.typing[0]?.text === "Where is my order?");
    await visitor.shown.now.send("Where is my order?");
    await until("the user has it, and the draft is gone", () => texts(user.shown.now)[0] && !user.shown.now.typing.length);
    expect(user.shown.now.unreadCount).toBe(1);
    user.shown.now.markSeen();
    await until("it is read", () => user.shown.now.unreadCount === 0);
    await until("the visitor sees that", () =>
      visitor.shown.now.seen.some(({ userId, lastSeenSeq }) => userId === "grace" && lastSeenSeq === 2),
    );
    await user.shown.now.send({ text: "On its way." });
    await until("the visitor has it", () => texts(visitor.shown.now).length === 2);
    expect(texts(visitor.shown.now)).toEqual(texts(user.shown.now));
    visitor.unmount();
    await until("the user sees that the visitor left", () => user.shown.now.online === false);
  });

  test("what is refused is shown as failed, and can be tried again or taken away", async () => {
    const id = unique("refused");
    const user = mounted(() => useConversation(id), as("user", "grace"));
    await until("the user sees that there is none", () => user.shown.now?.subscription?.type === "refused");
    const refusal = await user.shown.now.send("too early").catch(({ code }: { code: string }) => code);
    expect(refusal).toBe("not_found");
    await until("it is shown", () => user.shown.now.messages[0]?.delivery === "failed");
    const [failed] = user.shown.now.messages;
    expect(failed?.error?.code).toBe("not_found");
    const visitor = mounted(() => useConversation(id), as("visitor", "ada"));
    await until("there is one now", () => visitor.shown.now?.subscription?.type === "confirmed");
    user.shown.now.retry(failed?.key ?? "");
    await until("it is stored", () => user.shown.now.messages[0]?.delivery === "sent");
    expect(user.shown.now.messages[0]?.key).toBe(failed?.key);
    await until("the visitor has it", () => texts(visitor.shown.now)[0] === "too early");
    const invalid = await user.shown.now.send("").catch(({ code }: { code: string }) => code);
    expect(invalid).toBe("invalid_message");
    await until("it is shown", () => user.shown.now.messages[1]?.delivery === "failed");
    user.shown.now.discard(user.shown.now.messages[1]?.key ?? "");
    await until("it is gone", () => user.shown.now.messages.length === 1);
  });

  test("what was written while the server was away goes when it is back, in order and once", async () => {
    const id = unique("away");
    const own = await startReal();
    try {
      const config = { url: own.wsUrl, reconnectDelay: 20, getToken: () => own.token("visitor", "ada") };
      const { shown } = mounted(() => useConversation(id), config);
      await until("it is there", () => shown.now?.subscription?.type === "confirmed");
      await own.kill();
      for (const text of ["one", "two", "three"]) void shown.now.send(text);
      await until("they wait", () => shown.now.messages.filter(({ delivery }) => delivery === "queued").length === 3);
      await own.restart();
      await until("they are stored", () => shown.now.messages.every(({ delivery }) => delivery === "sent"));
      expect(texts(shown.now)).toEqual(["one", "two", "three"]);
      expect(shown.now.messages.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    } finally {
      await own.stop();
    }
  });

  test("functions stay the same while the conversation does, and two components share what is known", async () => {
    const [one, two] = [unique("same"), unique("other")];
    let id = one;
    const { shown, again } = mounted(() => [useConversation(id), useConversation(one)] as const, as("visitor", "ada"));
    await until("it is loaded", () => shown.now?.[0].isLoading === false);
    const [before, other] = shown.now;
    expect(before.messages).toBe(other.messages);
    void before.send("hello");
    await until("both show it", () => shown.now[0].messages.length === 1 && shown.now[1].messages.length === 1);
    const functions = (given: UseConversationReturn) => Object.entries(given).filter(([, it]) => typeof it === "function");
    expect(functions(shown.now[0])).toHaveLength(11);
    expect(functions(shown.now[0])).toEqual(functions(before));
    id = two;
    act(again);
    await until("the other one is shown", () => shown.now[0].conversationId === two && shown.now[0].isLoading === false);
    expect(shown.now[0].messages).toEqual([]);
    expect(shown.now[1].messages).toHaveLength(1);
  });

  test("a burst of 1,000 messages renders far fewer times, and lacks none", async () => {
    const wire = await Wire.start();
    const { shown } = mounted(() => useConversation("c"), { url: wire.url });
    await until("it is loaded", () => shown.now?.isLoading === false && shown.now.subscription?.type === "confirmed");
    const before = shown.renders;
    for (let n = 1; n <= 1_000; n += 1) wire.chat("c", `message ${n}`);
    await until("the last one is shown", () => shown.now.messages.at(-1)?.seq === 1_000);
    const renders = shown.renders - before;
    const shownSeqs = shown.now.messages.map(({ seq }) => seq);
    expect(shownSeqs).toEqual(Array.from({ length: shownSeqs.length }, (_, index) => 1_001 - shownSeqs.length + index));
    console.info(`React ${version}: 1,000 messages: ${renders} renders of a list of ${shownSeqs.length}`);
    expect(renders).toBeLessThanOrEqual(1_000);
  });
});

describe("useInbox", () => {
  test("lists conversations with their newest message, who types and what is unread, and follows the filter", async () => {
    const id = unique("inbox");
    const visitor = mounted(() => useConversation(id), as("visitor", "bob"));
    await until("the visitor is there", () => visitor.shown.now?.subscription?.type === "confirmed");
    let filter: InboxFilter | undefined;
    const team = mounted(() => useInbox(WEBSITE, filter && { ...filter }), as("user", "grace"));
    const row = () => team.shown.now?.conversations.find(({ conversationId }) => conversationId === id);
    await until("it is listed", row);
    await visitor.shown.now.send("help");
    await until("it has a message", () => row()?.lastMessage?.content?.text === "help");
    expect(row()).toMatchObject({ visitorId: "bob", status: "open", isOnline: true, unreadCount: 1 });
    expect(team.shown.now.conversations[0]?.conversationId).toBe(id);
    visitor.shown.now.setTyping("please");
    await until("the draft is shown", () => row()?.typing[0]?.text === "please");

    filter = { status: "closed", search: undefined };
    act(team.again);
    await until("it is not listed any more", () => team.shown.now.isLoading === false && !row());
    expect(team.shown.now.filter).toEqual({ status: "closed" });
    filter = {};
    act(team.again);
    await until("all are listed again", row);
    const { setFilter, loadMore }: UseInboxReturn = team.shown.now;
    filter = undefined;
    act(team.again);
    expect(team.shown.now).toMatchObject({ setFilter, loadMore, filter: {} });
  });
});
