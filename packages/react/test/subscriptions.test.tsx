/** Wishes for channels: whose they are, and how long they last. */

import { render } from "@testing-library/react/pure";
import { StrictMode, useEffect } from "react";
import { describe, expect, test } from "vitest";

import { useWebSocket, useWebSocketDirect, WebSocketProvider, type UseAdvancedWebSocketReturn } from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

/** Subscribes as the examples do: whenever it is connected, and never unsubscribes. */
function Subscriber({ id, give }: { id: string; give?: (ws: UseAdvancedWebSocketReturn) => void }) {
  const ws = useWebSocket();
  const { isConnected, subscribeToConversation, subscriptions } = ws;
  useEffect(() => {
    if (isConnected) subscribeToConversation(id);
  }, [isConnected, id, subscribeToConversation]);
  useEffect(() => give?.(ws));
  return <p>{subscriptions.join(" ")}</p>;
}

/** What was asked of the server, in order. */
const asked = (wire: Wire) =>
  wire.connections.map(({ frames }) =>
    frames.flatMap((frame) =>
      /subscribe/.test(frame.type) && "conversationId" in frame ? [`${frame.type.split("_")[0]} ${frame.conversationId}`] : [],
    ),
  );

describe("behaviour 8: wishes belong to the component that made them", () => {
  test("two components with one wish ask once, and the last one lets go", async () => {
    const wire = await Wire.start();
    const tree = (count: number) => (
      <StrictMode>
        <WebSocketProvider config={{ url: wire.url }}>
          {[...Array(count).keys()].map((key) => (
            <Subscriber key={key} id="c" />
          ))}
        </WebSocketProvider>
      </StrictMode>
    );
    const { container, rerender } = render(tree(2));
    await until("both show it", () => container.textContent === "conversation:cconversation:c");
    rerender(tree(1));
    rerender(tree(2));
    rerender(tree(1));
    expect(asked(wire)).toEqual([["subscribe c"]]);
    rerender(tree(0));
    await until("it is let go", () => wire.frames("unsubscribe_conversation").length);
    expect(asked(wire)).toEqual([["subscribe c", "unsubscribe c"]]);
  });

  test("a component that gives way to another one with the same wish, or mounts twice, does not ask again", async () => {
    const wire = await Wire.start();
    let ws: UseAdvancedWebSocketReturn | undefined;
    const tree = (key?: string) => (
      <StrictMode>
        <WebSocketProvider config={{ url: wire.url }}>
          {key && <Subscriber key={key} id="c" give={(given) => void (ws = given)} />}
          <Subscriber id="other" />
        </WebSocketProvider>
      </StrictMode>
    );
    const { container, rerender } = render(tree());
    await until("it is connected", () => container.textContent === "conversation:other");
    rerender(tree("one"));
    rerender(tree("two"));
    await until("it is shown", () => container.textContent?.includes("conversation:c"));
    await ws?.ping();
    expect(asked(wire)).toEqual([["subscribe other", "subscribe c"]]);
  });

  test("a wish of one component is not ended by another one's unsubscribing", async () => {
    const wire = await Wire.start();
    const given: UseAdvancedWebSocketReturn[] = [];
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Subscriber id="c" give={(ws) => void (given[0] = ws)} />
        <Subscriber id="c" give={(ws) => void (given[1] = ws)} />
      </WebSocketProvider>,
    );
    await until("both show it", () => container.textContent === "conversation:cconversation:c");
    given[0]?.unsubscribeFromConversation("c");
    given[0]?.unsubscribeFromConversation("c");
    await given[1]?.ping();
    expect(asked(wire)).toEqual([["subscribe c"]]);
    given[1]?.unsubscribeFromConversation("c");
    await until("nobody shows it", () => container.textContent === "");
    await given[1]?.ping();
    expect(asked(wire)).toEqual([["subscribe c", "unsubscribe c"]]);
  });

  test("after a reconnect each is asked for once, by the client alone", async () => {
    const wire = await Wire.start();
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url, reconnectDelay: 1 }}>
        <Subscriber id="c" />
      </WebSocketProvider>,
    );
    await until("it is shown", () => container.textContent === "conversation:c");
    wire.connections[0]?.socket.close(1012);
    await until("it is gone", () => container.textContent === "");
    await until("it is back", () => container.textContent === "conversation:c");
    expect(asked(wire)).toEqual([["subscribe c"], ["subscribe c"]]);
  });

  test("wishes written by hand belong to the component, too", async () => {
    const wire = await Wire.start();
    function Manual() {
      const { sendMessage, subscriptions } = useWebSocket();
      useEffect(() => {
        for (const conversationId of ["a", "b"]) sendMessage({ type: "subscribe_conversation", conversationId });
        sendMessage({ type: "subscribe_website", websiteId: "shop" });
        sendMessage({ type: "unsubscribe_conversation", conversationId: "a" });
      }, [sendMessage]);
      return <p>{subscriptions.join(" ")}</p>;
    }
    const tree = (isShown: boolean) => (
      <WebSocketProvider config={{ url: wire.url }}>{isShown && <Manual />}</WebSocketProvider>
    );
    const { container, rerender } = render(tree(true));
    await until("they are shown", () => container.textContent === "conversation:b website:shop");
    rerender(tree(false));
    await until("the website is let go", () => wire.frames("unsubscribe_website").length);
    expect(asked(wire)).toEqual([["subscribe b", "unsubscribe b"]]);
  });

  test("wishes go along to another destination, and to whoever lets go after unmounting nothing happens", async () => {
    const [one, two] = [await Wire.start(), await Wire.start()];
    let ws: UseAdvancedWebSocketReturn | undefined;
    function Direct({ url }: { url: string }) {
      ws = useWebSocketDirect({ config: { url } });
      const { subscribeToConversation, subscriptions } = ws;
      // Once only: whatever the client is.
      useEffect(() => subscribeToConversation("c"), [subscribeToConversation]);
      return <p>{subscriptions.join(" ")}</p>;
    }
    const { container, rerender, unmount } = render(<Direct url={one.url} />);
    await until("it is shown", () => container.textContent === "conversation:c");
    rerender(<Direct url={two.url} />);
    await until("it has moved", () => one.open === 0 && container.textContent === "conversation:c");
    expect([asked(one), asked(two)]).toEqual([[["subscribe c"]], [["subscribe c"]]]);
    unmount();
    ws?.subscribeToConversation("late");
    ws?.unsubscribeFromConversation("c");
    await until("the socket is gone", () => two.open === 0);
    expect(asked(two)).toEqual([["subscribe c", "unsubscribe c"]]);
  });
});

describe("behaviour 9: a refused wish", () => {
  test("is shown with its code, told, and not asked again by itself", async () => {
    const wire = await Wire.start({ refuses: ["conversation:c"] });
    const told: string[] = [];
    let ws: UseAdvancedWebSocketReturn | undefined;
    function States() {
      ws = useWebSocket();
      return <p>{JSON.stringify(ws.subscriptionStates["conversation:c"])}</p>;
    }
    const { container } = render(
      <WebSocketProvider
        config={{ url: wire.url, reconnectDelay: 1 }}
        handlers={{ onSubscriptionError: ({ code }) => told.push(code) }}
      >
        <States />
      </WebSocketProvider>,
    );
    ws?.subscribeToConversation("c");
    const refused = JSON.stringify({ type: "refused", code: "not_found" });
    await until("the refusal is shown", () => container.textContent === refused);
    wire.connections[0]?.socket.close(1012);
    await until("it is back", () => wire.connections.length === 2 && ws?.isConnected);
    await ws?.ping();
    expect(container.textContent).toBe(refused);
    expect(asked(wire)).toEqual([["subscribe c"], []]);
    expect(told).toEqual(["not_found"]);
    ws?.subscribeToConversation("c");
    await until("it is asked again", () => asked(wire)[1]?.length === 1);
  });
});
