/** What renders, and what does not. */

import { act, render } from "@testing-library/react/pure";
import { memo, useEffect, useReducer, useRef, version } from "react";
import { describe, expect, test } from "vitest";

import {
  useConnection,
  useWebSocket,
  useWebSocketEvent,
  useWebSocketSelector,
  WebSocketProvider,
  type UseAdvancedWebSocketReturn,
  type UseConnectionReturn,
} from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

/** A component that counts its renders; `use` is its body. */
function counted<Shown>(use: () => Shown) {
  const counter = { renders: 0, shown: undefined as Shown | undefined };
  const Component = memo(function Counted() {
    counter.renders += 1;
    const shown = use();
    useEffect(() => void (counter.shown = shown));
    return null;
  });
  return { counter, Component };
}

/** Counts of what renders while something happens. */
async function rendersDuring(counters: { renders: number }[], happen: () => Promise<unknown>): Promise<number[]> {
  const before = counters.map(({ renders }) => renders);
  await happen();
  return counters.map(({ renders }, index) => renders - (before[index] ?? 0));
}

const BURST = 1_000;

describe("behaviour 16: a component renders when what it read has changed", () => {
  test(`a burst of ${BURST} messages: none lost, in order, renders bounded`, async () => {
    const wire = await Wire.start();
    const received: number[] = [];
    const quiet = counted(() => useWebSocket().sendChatMessage);
    const pill = counted(() => [useWebSocket().isConnected, useConnection().state]);
    const ignoring = counted(() => {
      const { isConnected, subscriptions, queuedMessageCount } = useWebSocket();
      return [isConnected, subscriptions, queuedMessageCount];
    });
    const listening = counted(() => useWebSocketEvent("new_message", ({ seq }) => received.push(seq)));
    const meter = counted(() => useWebSocket().stats.messagesReceived);
    render(
      <WebSocketProvider config={{ url: wire.url }}>
        {[quiet, pill, ignoring, listening, meter].map(({ Component }, index) => (
          <Component key={index} />
        ))}
      </WebSocketProvider>,
    );
    await until("it is connected", () => ignoring.counter.shown?.[0]);
    const counters = [quiet, pill, ignoring, listening, meter].map(({ counter }) => counter);
    const began = performance.now();
    const renders = await rendersDuring(counters, async () => {
      for (let n = 1; n <= BURST; n += 1) wire.chat("c", `message ${n}`);
      await until("all came", () => received.length === BURST);
      await until("the meter shows it", () => (meter.counter.shown ?? 0) >= BURST);
    });
    const took = Math.round(performance.now() - began);
    expect(received).toEqual(Array.from({ length: BURST }, (_, index) => index + 1));
    const [quietRenders, pillRenders, ignoringRenders, listeningRenders, meterRenders = Infinity] = renders;
    expect([quietRenders, pillRenders, ignoringRenders, listeningRenders]).toEqual([0, 0, 0, 0]);
    expect(meterRenders).toBeLessThanOrEqual(2 + took / 250);
    console.info(
      `React ${version}: ${BURST} messages in ${took} ms: ${meterRenders} renders of a component that shows stats, 0 of four that do not`,
    );
  });

  test("connecting renders once for each value that a component reads", async () => {
    const wire = await Wire.start();
    const functions = counted(() => useWebSocket().sendChatMessage);
    const isConnected = counted(() => useWebSocket().isConnected);
    const readyState = counted(() => useWebSocket().readyState);
    const count = counted(() => useWebSocket().queuedMessageCount);
    render(
      <WebSocketProvider config={{ url: wire.url }}>
        <functions.Component />
        <isConnected.Component />
        <readyState.Component />
        <count.Component />
      </WebSocketProvider>,
    );
    await until("it is connected", () => isConnected.counter.shown);
    expect(functions.counter.renders).toBe(1);
    expect(isConnected.counter.renders).toBe(2);
    // Closed, connecting, open.
    expect(readyState.counter.renders).toBe(3);
    expect(count.counter.renders).toBe(1);
  });

  test("a value that is read for the first time later is followed from then on", async () => {
    const wire = await Wire.start();
    let ws: UseAdvancedWebSocketReturn | undefined;
    let show = () => {};
    let renders = 0;
    function Late() {
      renders += 1;
      const [isShown, toggle] = useReducer(() => true, false);
      const given = useWebSocket();
      useEffect(() => {
        ws = given;
        show = toggle;
      });
      return <p>{isShown ? `${given.isConnected}` : "hidden"}</p>;
    }
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Late />
      </WebSocketProvider>,
    );
    await until("it is connected", () => wire.connections[0]?.socket.readyState === 1 && ws?.getWebSocket()?.readyState === 1);
    expect(renders).toBe(1);
    act(() => show());
    await until("it is shown", () => container.textContent === "true");
    wire.connections[0]?.socket.terminate();
    await until("the loss is shown", () => container.textContent === "false");
  });

  test("a child that gets the whole object renders when the object changes", async () => {
    const wire = await Wire.start();
    const Child = memo(({ ws }: { ws: UseAdvancedWebSocketReturn }) => <p>{String(ws.isConnected)}</p>);
    function Parent() {
      return <Child ws={useWebSocket()} />;
    }
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Parent />
      </WebSocketProvider>,
    );
    await until("the child shows it", () => container.textContent === "true");
  });

  test("the object is the same while nothing changed, and functions are for life", async () => {
    const [one, two] = [await Wire.start(), await Wire.start()];
    const seen: UseAdvancedWebSocketReturn[] = [];
    function Child() {
      const ws = useWebSocket();
      // Reading makes it follow everything.
      const values = { ...ws };
      useEffect(() => void seen.push(ws));
      return <p>{String(values.isConnected)}</p>;
    }
    const tree = (url: string) => (
      <WebSocketProvider config={{ url }}>
        <Child />
      </WebSocketProvider>
    );
    const { container, rerender } = render(tree(one.url));
    await until("it is connected", () => container.textContent === "true");
    const before = seen.at(-1);
    rerender(tree(one.url));
    expect(seen.at(-1)).toBe(before);
    rerender(tree(two.url));
    await until("it has left", () => one.open === 0);
    await until("it is connected again", () => container.textContent === "true" && two.open === 1);
    const after = seen.at(-1);
    expect(after).not.toBe(before);
    const functions = (ws?: UseAdvancedWebSocketReturn) =>
      Object.entries(ws ?? {}).filter(([, value]) => typeof value === "function");
    expect(functions(after)).toHaveLength(14);
    expect(functions(after)).toEqual(functions(before));
  });

  test("a selector renders when what it gives has changed", async () => {
    const wire = await Wire.start();
    const ids = counted(() => useWebSocketSelector(({ subscriptions }) => subscriptions.filter((it) => it.startsWith("c"))));
    const who = counted(() => useWebSocketSelector(({ identity }) => identity?.userId));
    const sent = counted(() => useWebSocketSelector(({ stats }) => ({ isBusy: stats.messagesSent > 3 })));
    let ws: UseAdvancedWebSocketReturn | undefined;
    function Subscriber() {
      ws = useWebSocket();
      return null;
    }
    render(
      <WebSocketProvider config={{ url: wire.url }}>
        <ids.Component />
        <who.Component />
        <sent.Component />
        <Subscriber />
      </WebSocketProvider>,
    );
    await until("it is known who this is", () => who.counter.shown === "grace");
    expect(who.counter.renders).toBe(2);
    ws?.subscribeToConversation("one");
    await until("it is there", () => ids.counter.shown?.length === 1);
    expect(ids.counter.renders).toBe(2);
    ws?.subscribeToWebsite("shop");
    await until("it is confirmed", () => ws?.subscriptions.length === 2);
    expect(ids.counter.renders).toBe(2);
    await Promise.all(["a", "b", "c"].map((text) => ws?.sendChatMessage("one", { text })));
    await until("it is busy", () => sent.counter.shown?.isBusy);
    expect(sent.counter.renders).toBe(2);
    expect(who.counter.renders).toBe(2);
  });
});

describe("behaviour 17: what is shown is live", () => {
  test("stats, subscriptions and the queue", async () => {
    const wire = await Wire.start({ acknowledges: false });
    let ws: UseAdvancedWebSocketReturn | undefined;
    function Monitor() {
      ws = useWebSocket();
      const { stats, subscriptions, subscriptionStates, queuedMessageCount } = ws;
      const states = Object.entries(subscriptionStates).map(([channel, { type }]) => `${channel} ${type}`);
      return <p>{JSON.stringify([subscriptions, states, queuedMessageCount, stats.messagesReceived > 2, stats.bytesSent > 0])}</p>;
    }
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Monitor />
      </WebSocketProvider>,
    );
    ws?.subscribeToConversation("c");
    await until("the wish is shown", () => container.textContent?.includes("conversation:c pending"));
    void ws?.sendChatMessage("c", { text: "waits" });
    const shown = JSON.stringify([["conversation:c"], ["conversation:c confirmed"], 1, false, true]);
    await until("all is shown", () => container.textContent === shown);
    wire.chat("c", "one more");
    await until("the counter follows", () => container.textContent === shown.replace("false", "true"));
  });

  test("a connection that waits says when it tries again, and tries at once when asked", async () => {
    const wire = await Wire.start();
    const seen: UseConnectionReturn[] = [];
    let retryNow: (() => void) | undefined;
    function Pill() {
      const connection = useConnection();
      const first = useRef(connection.retryNow);
      useEffect(() => {
        seen.push(connection);
        retryNow = first.current;
      }, [connection]);
      return <p>{connection.state}</p>;
    }
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url, reconnectDelay: 60_000, maxReconnectDelay: 60_000, reconnectJitter: 0 }}>
        <Pill />
      </WebSocketProvider>,
    );
    await until("it is connected", () => container.textContent === "connected");
    const before = Date.now();
    wire.connections[0]?.socket.close(1012);
    await until("it waits", () => container.textContent === "waiting");
    const waiting = seen.at(-1);
    expect(waiting).toMatchObject({ state: "waiting", attempt: 1, isOffline: false });
    expect(waiting?.retryAt).toBeGreaterThanOrEqual(before + 59_000);
    expect(waiting?.retryAt).toBeLessThanOrEqual(Date.now() + 60_000);
    retryNow?.();
    await until("it is back", () => container.textContent === "connected");
    wire.connections[1]?.socket.close(4403);
    await until("it stops", () => container.textContent === "stopped");
    expect(seen.at(-1)).toMatchObject({ state: "stopped", reason: "close", code: 4403 });
    expect(seen.map(({ state }) => state)).toEqual([
      "disconnected",
      "connecting",
      "connected",
      "waiting",
      "connecting",
      "connected",
      "stopped",
    ]);
    // The second is an attempt again, and says which.
    expect(seen.filter(({ state }) => state === "connecting").map(({ attempt }) => attempt)).toEqual([undefined, 1]);
  });
});
