/** Handlers and listeners: always the newest, and none the worse for another. */

import { act, render } from "@testing-library/react/pure";
import { StrictMode, useEffect, useState } from "react";
import { describe, expect, test, vi } from "vitest";

import {
  useAdvancedWebSocket,
  useWebSocket,
  useWebSocketEvent,
  WebSocketProvider,
  type ServerMessages,
  type WebSocketEventHandlers,
} from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

function Shown() {
  return <p>{String(useWebSocket().isConnected)}</p>;
}

describe("behaviour 15: handlers", () => {
  test("are those of the newest render, for the provider, a direct hook and a listener", async () => {
    const wire = await Wire.start();
    const heard: string[] = [];
    function Direct({ n }: { n: number }) {
      useAdvancedWebSocket({ url: wire.url }, { onNewMessage: () => heard.push(`direct ${n}`) });
      return null;
    }
    function Listener({ n }: { n: number }) {
      useWebSocketEvent("new_message", () => heard.push(`listener ${n}`));
      return null;
    }
    const tree = (n: number) => (
      <StrictMode>
        <WebSocketProvider config={{ url: wire.url }} handlers={{ onNewMessage: () => heard.push(`provider ${n}`) }}>
          <Shown />
          <Direct n={n} />
          <Listener n={n} />
        </WebSocketProvider>
      </StrictMode>
    );
    const { container, rerender } = render(tree(1));
    await until("it is connected", () => container.textContent === "true");
    wire.chat("c", "hello");
    await until("all heard it", () => heard.length === 3);
    rerender(tree(2));
    wire.chat("c", "hello again");
    await until("all heard it", () => heard.length === 6);
    expect(heard.slice(0, 3).sort()).toEqual(["direct 1", "listener 1", "provider 1"]);
    expect(heard.slice(3).sort()).toEqual(["direct 2", "listener 2", "provider 2"]);
  });

  test("see the state of the newest render, though they were written in a closure", async () => {
    const wire = await Wire.start();
    const totals: number[] = [];
    function Counter() {
      const [count, setCount] = useState(0);
      useAdvancedWebSocket(
        { url: wire.url },
        {
          onNewMessage() {
            totals.push(count);
            setCount(count + 1);
          },
        },
      );
      return <p>{count}</p>;
    }
    const { container } = render(<Counter />);
    await until("it is connected", () => wire.connections.length === 1);
    for (let n = 1; n <= 3; n += 1) {
      wire.chat("c", "hello");
      await until("it is counted", () => container.textContent === String(n));
    }
    expect(totals).toEqual([0, 1, 2]);
  });

  test("that throw disturb neither the others nor the connection", async () => {
    const wire = await Wire.start();
    const unhandled: unknown[] = [];
    const catchIt = (error: unknown) => unhandled.push(error);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", catchIt);
    try {
      const heard: string[] = [];
      const handlers: WebSocketEventHandlers = {
        onMessage: () => {
          throw new Error("of onMessage");
        },
        onNewMessage: ({ messageId }) => void heard.push(`provider ${messageId}`),
      };
      function Listener() {
        useWebSocketEvent("new_message", ({ messageId }) => {
          heard.push(`listener ${messageId}`);
          throw new Error("of a listener");
        });
        return null;
      }
      const { container } = render(
        <WebSocketProvider config={{ url: wire.url }} handlers={handlers}>
          <Shown />
          <Listener />
        </WebSocketProvider>,
      );
      await until("it is connected", () => container.textContent === "true");
      unhandled.length = 0;
      wire.chat("c", "one");
      wire.chat("c", "two");
      await until("all heard both", () => heard.length === 4);
      await until("all errors are told", () => unhandled.length === 4);
      expect(heard).toEqual(["provider msg_1", "listener msg_1", "provider msg_2", "listener msg_2"]);
      expect(container.textContent).toBe("true");
      expect(wire.connections).toHaveLength(1);
    } finally {
      process.removeListener("uncaughtException", catchIt);
      for (const other of others) process.on("uncaughtException", other);
    }
  });

  test("hear of each thing once, in StrictMode and after effects ran again, and not after unmounting", async () => {
    const wire = await Wire.start();
    const onMessage = vi.fn<(message: ServerMessages) => void>();
    const listen = vi.fn();
    function Listener({ type }: { type: "new_message" | "typing_indicator" }) {
      useWebSocketEvent(type, listen);
      return null;
    }
    const tree = (type: "new_message" | "typing_indicator") => (
      <StrictMode>
        <WebSocketProvider config={{ url: wire.url }} handlers={{ onMessage }}>
          <Shown />
          <Listener type={type} />
        </WebSocketProvider>
      </StrictMode>
    );
    const { container, rerender, unmount } = render(tree("typing_indicator"));
    await until("it is connected", () => container.textContent === "true");
    rerender(tree("new_message"));
    wire.chat("c", "hello");
    await until("it is heard", () => listen.mock.calls.length);
    expect(listen).toHaveBeenCalledTimes(1);
    expect(onMessage.mock.calls.map(([{ type }]) => type)).toEqual(["connection_established", "new_message"]);
    unmount();
    wire.chat("c", "too late");
    await until("the socket is gone", () => wire.open === 0);
    expect(listen).toHaveBeenCalledTimes(1);
    expect(onMessage).toHaveBeenCalledTimes(2);
  });

  test("of an unknown type reach onMessage only", async () => {
    const wire = await Wire.start();
    const seen: string[] = [];
    const handlers = new Proxy<WebSocketEventHandlers>(
      {},
      { get: (_, name) => (event?: { type?: string }) => seen.push(`${String(name)} ${event?.type ?? ""}`) },
    );
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }} handlers={handlers}>
        <Shown />
      </WebSocketProvider>,
    );
    await until("it is connected", () => container.textContent === "true");
    seen.length = 0;
    // A server of the future may say it.
    wire.say({ type: "confetti" } as unknown as ServerMessages);
    wire.chat("c", "hello");
    await until("it is heard", () => seen.length === 3);
    expect(seen).toEqual(["onMessage confetti", "onMessage new_message", "onNewMessage new_message"]);
  });
});

test("behaviour 19: what a child does in its first effect, before there is an engine, is kept in order", async () => {
  const wire = await Wire.start();
  const sent: string[] = [];
  function Eager() {
    const { sendChatMessage, subscribeToConversation } = useWebSocket();
    useEffect(() => {
      subscribeToConversation("c");
      for (const text of ["one", "two"]) void sendChatMessage("c", { text }).then(({ seq }) => sent.push(`${text} ${seq}`));
    }, [sendChatMessage, subscribeToConversation]);
    return null;
  }
  act(() => {
    render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Eager />
      </WebSocketProvider>,
    );
  });
  await until("both are stored", () => sent.length === 2);
  expect(sent).toEqual(["one 1", "two 2"]);
  const order = wire.connections[0]?.frames.map(({ type }) => type);
  expect(order).toEqual(["subscribe_conversation", "send_message", "send_message"]);
});
