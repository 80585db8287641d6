/** What the types promise; judged by the compiler alone. */

import { describe, expectTypeOf, test } from "vitest";

import type {
  ClientMessages,
  ErrorCode,
  MessageAck,
  MessageContent,
  NewMessage,
  QueuedMessage,
  ReceivedContent,
  ServerMessageOf,
  ServerMessages,
  TypingProgress,
  TypingProgressEvent,
  UseAdvancedWebSocketReturn,
  useWebSocketEvent,
  WebSocketConfig,
  WebSocketEventHandlers,
  WebSocketState,
  WebSocketStats,
} from "../../src/websocket.js";

/** Messages that no handler is for: what the client answers itself, or tells by the state of connection and subscriptions. */
type WithoutHandler =
  | "connection_established"
  | "pong"
  | "authenticated"
  | "token_expiring"
  | "reconnect"
  | "subscription_ended";

type Specific = Omit<Required<WebSocketEventHandlers>, "onMessage">;
type Arguments = { [Name in keyof Specific]: Parameters<Specific[Name]>[0] };
type Handled = Extract<Arguments[keyof Arguments], ServerMessages>["type"];

describe("messages", () => {
  test("each of the server's has a handler, or is among those that need none", () => {
    expectTypeOf<Exclude<ServerMessages["type"], Handled>>().toEqualTypeOf<WithoutHandler>();
    expectTypeOf<Handled & WithoutHandler>().toEqualTypeOf<never>();
  });

  test("narrow by their type", () => {
    const show = (message: ServerMessages) => {
      if (message.type === "new_message") {
        expectTypeOf(message).toEqualTypeOf<NewMessage>();
        expectTypeOf(message.content).toEqualTypeOf<ReceivedContent | null>();
        // @ts-expect-error A deleted message has no content.
        return message.content.text;
      }
      if (message.type === "typing_progress") {
        expectTypeOf(message).toEqualTypeOf<TypingProgressEvent>();
        return message.content;
      }
      switch (message.type) {
        case "conversation_status_changed":
          return message.status satisfies "open" | "pending" | "resolved" | "closed";
        case "error":
          expectTypeOf<ErrorCode>().toExtend<typeof message.code>();
          return message.code;
        default:
          // @ts-expect-error Not every message has a content.
          return message.content;
      }
    };
    expectTypeOf(show).parameter(0).toEqualTypeOf<ServerMessages>();
    expectTypeOf<ServerMessageOf<"message_ack">>().toEqualTypeOf<MessageAck>();
  });

  test("of a client say what they need", () => {
    expectTypeOf<Extract<ClientMessages, { type: "typing_progress" }>>().toEqualTypeOf<TypingProgress>();
    const messages: ClientMessages[] = [
      { type: "ping" },
      { type: "send_message", conversationId: "c", content: { text: "hello" } },
      { type: "subscribe_conversation", conversationId: "c", after: 3, epoch: "e" },
      // @ts-expect-error Without a conversation.
      { type: "send_message", content: { text: "hello" } },
      // @ts-expect-error There is no such message.
      { type: "shout" },
    ];
    expectTypeOf(messages).toBeArray();
  });
});

describe("what the hooks return", () => {
  test("is what the contract names, and nothing else", () => {
    expectTypeOf<keyof UseAdvancedWebSocketReturn>().toEqualTypeOf<
      | "readyState"
      | "isConnected"
      | "isConnecting"
      | "sendMessage"
      | "subscribeToConversation"
      | "subscribeToWebsite"
      | "unsubscribeFromConversation"
      | "unsubscribeFromWebsite"
      | "startTyping"
      | "stopTyping"
      | "sendTypingProgress"
      | "sendChatMessage"
      | "connect"
      | "disconnect"
      | "identify"
      | "ping"
      | "getWebSocket"
      | "subscriptions"
      | "subscriptionStates"
      | "queuedMessageCount"
      | "stats"
    >();
    expectTypeOf<UseAdvancedWebSocketReturn["readyState"]>().toEqualTypeOf<WebSocketState>();
    expectTypeOf<UseAdvancedWebSocketReturn["stats"]>().toEqualTypeOf<WebSocketStats>();
    expectTypeOf<UseAdvancedWebSocketReturn["subscriptions"]>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<UseAdvancedWebSocketReturn["getWebSocket"]>().returns.toEqualTypeOf<WebSocket | null>();
    expectTypeOf<UseAdvancedWebSocketReturn["sendChatMessage"]>().returns.toEqualTypeOf<Promise<MessageAck>>();
    expectTypeOf<UseAdvancedWebSocketReturn["sendChatMessage"]>().toBeCallableWith("c", { text: "hello" });
    expectTypeOf<UseAdvancedWebSocketReturn["sendChatMessage"]>().toBeCallableWith("c", { text: "hello" }, { a: 1 });
    expectTypeOf<QueuedMessage["content"]>().toEqualTypeOf<MessageContent>();
  });

  test("is not to be written to", () => {
    const ws = {} as UseAdvancedWebSocketReturn;
    // @ts-expect-error It is what it is.
    ws.isConnected = true;
    // @ts-expect-error The list is the client's.
    ws.subscriptions.push("conversation:c");
    // @ts-expect-error So are the counters.
    ws.stats.messagesSent = 0;
  });
});

test("the configuration has all of its fields, each of them optional", () => {
  expectTypeOf<keyof WebSocketConfig>().toEqualTypeOf<
    | "url"
    | "autoReconnect"
    | "reconnectDelay"
    | "maxReconnectDelay"
    | "reconnectDelayMultiplier"
    | "maxReconnectAttempts"
    | "reconnectJitter"
    | "connectTimeout"
    | "enableMessageQueue"
    | "maxQueueSize"
    | "maxQueueAge"
    | "persistQueue"
    | "heartbeatInterval"
    | "requestTimeout"
    | "debug"
    | "headers"
    | "protocols"
    | "typingProgressThrottle"
    | "getToken"
    | "publicKey"
    | "visitorTokenStore"
    | "shareAcrossTabs"
  >();
  expectTypeOf<{}>().toExtend<WebSocketConfig>();
});

test("a listener gets messages of the type that it names", () => {
  const listen = {} as typeof useWebSocketEvent;
  listen("conversation_assigned", (message) => {
    expectTypeOf(message.assignedTeamMemberId).toEqualTypeOf<string | null>();
  });
  // @ts-expect-error There is no such message.
  listen("shouted", () => {});
});
