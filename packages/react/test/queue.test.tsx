/** What becomes of messages that are not answered when the client changes or goes. */

import { render } from "@testing-library/react/pure";
import { useEffect } from "react";
import { describe, expect, test, vi } from "vitest";

import {
  SendError,
  useWebSocket,
  useWebSocketDirect,
  WebSocketProvider,
  type FailedMessage,
  type UseAdvancedWebSocketReturn,
  type WebSocketConfig,
} from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

function chat() {
  const failures: FailedMessage[] = [];
  const given: { ws?: UseAdvancedWebSocketReturn } = {};
  function Child() {
    const ws = useWebSocket();
    useEffect(() => void (given.ws = ws));
    return <p>{`${ws.isConnected} ${ws.queuedMessageCount}`}</p>;
  }
  const tree = (config: WebSocketConfig) => (
    <WebSocketProvider config={config} handlers={{ onMessageFailed: (failure) => failures.push(failure) }}>
      <Child />
    </WebSocketProvider>
  );
  return { failures, given, tree };
}

describe("behaviour 12, and the configuration: messages that are not answered", () => {
  test("go with other credentials to the same destination, with their ids and in order", async () => {
    const wire = await Wire.start({ acknowledges: false });
    const { failures, given, tree } = chat();
    const { container, rerender } = render(tree({ url: wire.url, headers: { Authorization: "Bearer old" } }));
    await until("it is connected", () => given.ws?.isConnected);
    const sent = ["one", "two", "three"].map((text) => given.ws?.sendChatMessage("c", { text }, { text }));
    await until("the first one is on its way", () => wire.frames("send_message").length === 1);
    wire.options.acknowledges = true;
    rerender(tree({ url: wire.url, headers: { Authorization: "Bearer new" } }));
    expect((await Promise.all(sent)).map((ack) => ack?.seq)).toEqual([1, 2, 3]);
    await until("nothing is left", () => container.textContent === "true 0");
    const frames = wire.connections.map(({ frames }) => frames.filter(({ type }) => type === "send_message"));
    expect(frames[1]).toMatchObject(
      ["one", "two", "three"].map((text) => ({ content: { text }, metadata: { text }, conversationId: "c" })),
    );
    expect(frames[1]?.[0]?.id).toBe(frames[0]?.[0]?.id);
    expect(wire.connections.map(({ protocols }) => /bearer\.\w+/.exec(protocols)?.[0])).toEqual(["bearer.old", "bearer.new"]);
    expect(failures).toEqual([]);
    expect(wire.open).toBe(1);
  });

  test("fail when the destination is another one, told to their callers and to the handler", async () => {
    const [one, two] = [await Wire.start({ acknowledges: false }), await Wire.start()];
    const { failures, given, tree } = chat();
    const { container, rerender } = render(tree({ url: one.url }));
    await until("it is connected", () => given.ws?.isConnected);
    const sent = ["one", "two"].map((text) => given.ws?.sendChatMessage("c", { text }).catch((error: unknown) => error));
    rerender(tree({ url: two.url }));
    const errors = await Promise.all(sent);
    expect(errors).toEqual([expect.any(SendError), expect.any(SendError)]);
    expect(failures.map(({ id, conversationId, error }) => [id, conversationId, error])).toEqual(
      errors.map((error) => [error instanceof SendError && error.id, "c", error]),
    );
    await until("it is connected", () => container.textContent === "true 0");
    expect(two.frames("send_message")).toEqual([]);
  });

  test("a failure that nobody asked about is no unhandled rejection", async () => {
    const wire = await Wire.start({ acknowledges: false });
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    try {
      const { failures, given, tree } = chat();
      const { unmount } = render(tree({ url: wire.url }));
      await until("it is connected", () => given.ws?.isConnected);
      void given.ws?.sendChatMessage("c", { text: "never answered" });
      const told = given.ws?.sendChatMessage("c", { text: "nor this" }).catch(({ code }: SendError) => code);
      unmount();
      expect(await told).toBe("not_connected");
      // What is mounted no more is not called.
      expect(failures).toEqual([]);
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.removeListener("unhandledRejection", unhandled);
    }
  });

  test("stay with a client that another component still holds", async () => {
    const wire = await Wire.start({ acknowledges: false });
    const given: UseAdvancedWebSocketReturn[] = [];
    function Direct({ index, token }: { index: number; token: string }) {
      const ws = useWebSocketDirect({ config: { url: wire.url, headers: { Authorization: `Bearer ${token}` } } });
      useEffect(() => void (given[index] = ws));
      return <p>{ws.queuedMessageCount}</p>;
    }
    const tree = (token: string) => (
      <>
        <Direct index={0} token="old" />
        <Direct index={1} token={token} />
      </>
    );
    const { container, rerender } = render(tree("old"));
    await until("both are connected", () => given[0]?.isConnected && given[1]?.isConnected);
    void given[1]?.sendChatMessage("c", { text: "hello" });
    await until("both show it", () => container.textContent === "11");
    rerender(tree("new"));
    await until("one has moved", () => wire.open === 2);
    await until("the message has not", () => container.textContent === "10");
    expect(wire.frames("send_message")).toHaveLength(1);
  });

  test("what the children did with a client that was not to be is done with the one that is shared", async () => {
    const wire = await Wire.start();
    const seqs: number[] = [];
    function Eager({ text }: { text: string }) {
      const { sendChatMessage, subscribeToConversation } = useWebSocket();
      useEffect(() => {
        subscribeToConversation(text);
        void sendChatMessage("c", { text }).then(({ seq }) => seqs.push(seq));
      }, [sendChatMessage, subscribeToConversation, text]);
      return null;
    }
    const one = (text: string) => (
      <WebSocketProvider config={{ url: wire.url }}>
        <Eager text={text} />
      </WebSocketProvider>
    );
    // Both are rendered before either is mounted.
    render(
      <>
        {one("a")}
        {one("b")}
      </>,
    );
    await until("both are stored", () => seqs.length === 2);
    expect(wire.connections).toHaveLength(1);
    expect(wire.frames("send_message").map(({ content }) => content.text)).toEqual(["a", "b"]);
    expect(wire.frames("subscribe_conversation").map(({ conversationId }) => conversationId)).toEqual(["a", "b"]);
  });
});
