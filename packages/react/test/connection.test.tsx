/** One connection for those who ask for the same, as long as somebody does. */

import { render } from "@testing-library/react/pure";
import * as React from "react";
import { StrictMode, useEffect, type ReactNode } from "react";
import { describe, expect, test, vi } from "vitest";

import {
  useAdvancedWebSocket,
  useWebSocket,
  useWebSocketDirect,
  WebSocketProvider,
  WebSocketState,
  type UseAdvancedWebSocketReturn,
  type WebSocketConfig,
} from "../src/websocket.js";
import { clients, takeComplaints } from "./harness/setup.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

/** React 18 has none. */
const Activity = "Activity" in React ? React.Activity : undefined;

/** Gives away what the hook of the nearest provider returns. */
function Probe({ give }: { give: (ws: UseAdvancedWebSocketReturn) => void }) {
  const ws = useWebSocket();
  useEffect(() => give(ws), [give, ws]);
  return <p>{ws.isConnected ? "connected" : "not connected"}</p>;
}

/** A component with a connection of its own. */
function Direct({ config }: { config: WebSocketConfig }) {
  return <p>{useWebSocketDirect({ config }).isConnected ? "connected" : "not connected"}</p>;
}

function connected(container: HTMLElement, count: number) {
  return until(`${count} are connected`, () => {
    const shown = [...container.querySelectorAll("p")].map(({ textContent }) => textContent);
    return shown.length === count && shown.every((text) => text === "connected");
  });
}

/** Timers that are pending in all of this process, those of `until` itself among them. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

/** How many timers there are when nothing is mounted any more. */
async function idleTimers(): Promise<number> {
  await until("all clients have ended", () => clients().size === 0);
  return until("it is counted", timers);
}

describe("behaviour 2: one socket, and none afterwards", () => {
  test("StrictMode's double mount makes one socket", async () => {
    const wire = await Wire.start();
    const { container } = render(
      <StrictMode>
        <WebSocketProvider config={{ url: wire.url }}>
          <Probe give={() => {}} />
        </WebSocketProvider>
      </StrictMode>,
    );
    await connected(container, 1);
    expect(wire.connections).toHaveLength(1);
  });

  test("unmounting leaves no socket and no timer", async () => {
    const wire = await Wire.start();
    const before = await idleTimers();
    const { container, unmount } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Probe give={(ws) => void ws.stats} />
      </WebSocketProvider>,
    );
    await connected(container, 1);
    expect(await until("it is counted", timers)).toBeGreaterThan(before);
    unmount();
    await until("the socket is gone", () => wire.open === 0);
    await until("the timers are gone", () => timers() <= before);
    expect(wire.connections).toHaveLength(1);
  });

  test("unmounting while it connects leaves no socket either, and says nothing to anybody", async () => {
    const wire = await Wire.start({ establishes: false });
    const onOpen = vi.fn();
    const onClose = vi.fn();
    const { unmount } = render(
      <WebSocketProvider config={{ url: wire.url }} handlers={{ onOpen, onClose }}>
        <Probe give={() => {}} />
      </WebSocketProvider>,
    );
    await until("it dials", () => wire.open === 1);
    unmount();
    await until("the socket is gone", () => wire.open === 0);
    expect(wire.connections).toHaveLength(1);
    expect(onOpen).not.toHaveBeenCalled();
    expect(onClose).not.toHaveBeenCalled();
  });

  test("unmounting before the engine is loaded leaves nothing", async () => {
    const [wire, other] = [await Wire.start(), await Wire.start()];
    const before = await idleTimers();
    render(<Direct config={{ url: wire.url }} />).unmount();
    // By the time that another one has connected and gone, this one has had all the time that it would need.
    const { container, unmount } = render(<Direct config={{ url: other.url }} />);
    await connected(container, 1);
    unmount();
    await until("both are gone", () => other.open === 0 && wire.open === 0);
    await until("the timers are gone", () => timers() <= before);
    expect(wire.connections.length).toBeLessThanOrEqual(1);
  });

  test("what disconnects stays disconnected, also when its effects run again", async () => {
    const wire = await Wire.start();
    let ws: UseAdvancedWebSocketReturn | undefined;
    const tree = (key: string) => (
      <WebSocketProvider config={{ url: wire.url }}>
        <Probe key={key} give={(given) => void (ws = given)} />
      </WebSocketProvider>
    );
    const { container, rerender } = render(tree("one"));
    await connected(container, 1);
    ws?.disconnect();
    await until("it is shown", () => container.textContent === "not connected");
    rerender(tree("two"));
    await until("the socket is gone", () => wire.open === 0);
    expect(ws?.readyState).toBe(WebSocketState.CLOSED);
    ws?.connect();
    await connected(container, 1);
    expect(wire.connections).toHaveLength(2);
  });

  test("a provider that gives way to another one of the same configuration passes its socket on", async () => {
    const wire = await Wire.start();
    const tree = (key: string) => (
      <WebSocketProvider key={key} config={{ url: wire.url }}>
        <Probe give={() => {}} />
      </WebSocketProvider>
    );
    const { container, rerender } = render(tree("page one"));
    await connected(container, 1);
    rerender(tree("page two"));
    await connected(container, 1);
    expect(wire.connections).toHaveLength(1);
    expect(wire.open).toBe(1);
  });

  test.skipIf(!Activity)("effects that run again, as in a hot reload, keep socket, subscriptions and messages", async () => {
    const wire = await Wire.start({ acknowledges: false });
    let ws: UseAdvancedWebSocketReturn | undefined;
    const tree = (mode: "visible" | "hidden") => Activity && (
      <Activity mode={mode}>
        <WebSocketProvider config={{ url: wire.url, getToken: () => "T" }}>
          <Probe give={(given) => void (ws = given)} />
        </WebSocketProvider>
      </Activity>
    );
    const { container, rerender } = render(tree("visible"));
    await connected(container, 1);
    // Not in an effect, so nobody makes it again.
    ws?.subscribeToConversation("c");
    void ws?.sendChatMessage("c", { text: "waits" });
    await until("the message is on its way", () => wire.frames("send_message").length === 1);
    for (const mode of ["hidden", "visible", "hidden", "visible"] as const) rerender(tree(mode));
    expect(await ws?.ping()).toBeGreaterThanOrEqual(0);
    expect(ws).toMatchObject({ isConnected: true, subscriptions: ["conversation:c"], queuedMessageCount: 1 });
    expect(wire.connections).toHaveLength(1);
  });

  test("a provider does not pass on a socket whose token source may speak for somebody else", async () => {
    const wire = await Wire.start();
    const getToken = vi.fn(() => "T");
    const tree = (person: string) => (
      <WebSocketProvider key={person} config={{ url: wire.url, getToken }}>
        <Probe give={() => {}} />
      </WebSocketProvider>
    );
    const { container, rerender } = render(tree("ada"));
    await connected(container, 1);
    rerender(tree("bob"));
    await until("the first one is gone", () => wire.connections.length === 2 && wire.open === 1);
    await connected(container, 1);
    expect(getToken).toHaveBeenCalledTimes(2);
  });

  test.skipIf(!Activity)("a tree that was hidden longer than a client lives connects again when it is shown", async () => {
    const wire = await Wire.start();
    const tree = (mode: "visible" | "hidden") => Activity && (
      <Activity mode={mode}>
        <Direct config={{ url: wire.url }} />
      </Activity>
    );
    const { container, rerender } = render(tree("visible"));
    await connected(container, 1);
    rerender(tree("hidden"));
    await until("the client has ended", () => wire.open === 0 && clients().size === 0);
    rerender(tree("visible"));
    await connected(container, 1);
    expect(wire.connections).toHaveLength(2);
  });
});

describe("which configurations are the same", () => {
  test("an inline one never reconnects, whatever else of it changes", async () => {
    const wire = await Wire.start();
    const tree = (n: number) => (
      <WebSocketProvider
        config={{ url: wire.url, heartbeatInterval: 30_000 + n, debug: false, headers: { b: "2", a: "1" }, getToken: () => `T${n}` }}
      >
        <Probe give={() => {}} />
      </WebSocketProvider>
    );
    vi.mocked(console.warn).mockImplementation(() => {});
    const { container, rerender } = render(tree(0));
    await connected(container, 1);
    for (let n = 1; n <= 20; n += 1) rerender(tree(n));
    await connected(container, 1);
    expect(wire.connections).toHaveLength(1);
    // The newest token source is the one that is asked.
    wire.connections[0]?.socket.close(4401);
    await until("it comes back", () => wire.connections.length === 2);
    expect(wire.connections.map(({ protocols }) => protocols)).toEqual([
      expect.stringContaining("bearer.T0"),
      expect.stringContaining("bearer.T20"),
    ]);
  });

  test("two providers that ask for the same share one socket, and both hear everything", async () => {
    const wire = await Wire.start();
    const heard: string[] = [];
    const one = (name: string) => (
      <WebSocketProvider config={{ url: wire.url }} handlers={{ onNewMessage: ({ messageId }) => heard.push(name + messageId) }}>
        <Probe give={() => {}} />
      </WebSocketProvider>
    );
    const { container, rerender } = render(
      <StrictMode>
        {one("a ")}
        {one("b ")}
      </StrictMode>,
    );
    await connected(container, 2);
    expect(wire.connections).toHaveLength(1);
    wire.chat("c", "hello");
    await until("both heard it", () => heard.length === 2);
    expect(heard.sort()).toEqual(["a msg_1", "b msg_1"]);
    rerender(<StrictMode>{one("a ")}</StrictMode>);
    wire.chat("c", "again");
    await until("one heard it", () => heard.length === 3);
    expect(wire.open).toBe(1);
  });

  test("two providers that ask for different things have a socket each", async () => {
    const [one, two] = [await Wire.start(), await Wire.start()];
    const { container } = render(
      <>
        <Direct config={{ url: one.url }} />
        <Direct config={{ url: two.url }} />
        <Direct config={{ url: two.url, protocols: "more" }} />
      </>,
    );
    await connected(container, 3);
    expect(one.connections).toHaveLength(1);
    expect(two.connections).toHaveLength(2);
  });

  test("a nested provider is another one, and hooks use the nearest", async () => {
    const [outer, inner] = [await Wire.start(), await Wire.start()];
    let ws: UseAdvancedWebSocketReturn | undefined;
    const { container } = render(
      <WebSocketProvider config={{ url: outer.url }}>
        <WebSocketProvider config={{ url: inner.url }}>
          <Probe give={(given) => void (ws = given)} />
        </WebSocketProvider>
      </WebSocketProvider>,
    );
    await connected(container, 1);
    await ws?.sendChatMessage("c", { text: "hello" });
    expect(inner.frames("send_message")).toHaveLength(1);
    expect(outer.frames("send_message")).toHaveLength(0);
  });

  test("token sources are the same only if they are the same function", async () => {
    const wire = await Wire.start();
    const shared = () => "T";
    const { container } = render(
      <>
        <Direct config={{ url: wire.url, getToken: shared }} />
        <Direct config={{ url: wire.url, getToken: shared }} />
        <Direct config={{ url: wire.url, getToken: () => "other" }} />
      </>,
    );
    await connected(container, 3);
    expect(wire.connections).toHaveLength(2);
  });

  test("copies of the module share connections and providers", async () => {
    vi.resetModules();
    const copy = await import("../src/websocket.js");
    expect(copy.useWebSocket).not.toBe(useWebSocket);
    const wire = await Wire.start();
    function Other() {
      copy.useAdvancedWebSocket({ url: wire.url });
      return <p>{copy.useWebSocket().isConnected ? "connected" : "not connected"}</p>;
    }
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Other />
      </WebSocketProvider>,
    );
    await connected(container, 1);
    expect(wire.connections).toHaveLength(1);
  });
});

describe("behaviour 7: connected means established", () => {
  test("an open socket alone is not", async () => {
    const wire = await Wire.start({ establishes: false });
    let ws: UseAdvancedWebSocketReturn | undefined;
    const { container } = render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Probe give={(given) => void (ws = given)} />
      </WebSocketProvider>,
    );
    const connection = await until("it dials", () => wire.connections[0]);
    await until("the socket is open", () => ws?.getWebSocket()?.readyState === 1);
    expect(ws).toMatchObject({ isConnected: false, isConnecting: true, readyState: WebSocketState.CONNECTING });
    wire.establish(connection);
    await connected(container, 1);
    expect(ws).toMatchObject({ isConnected: true, isConnecting: false, readyState: WebSocketState.OPEN });
  });
});

test("a hook outside of a provider says what is missing", () => {
  const catching = ({ children }: { children: ReactNode }) => children;
  expect(() => render(<Probe give={() => {}} />, { wrapper: catching })).toThrow(/useWebSocket needs a <WebSocketProvider>/);
  // React 18 tells of it, too.
  takeComplaints();
});

test("without a configuration it connects to the page's own origin", async () => {
  const urls: unknown[] = [];
  vi.stubGlobal(
    "WebSocket",
    class {
      constructor(url: unknown) {
        urls.push(url);
        throw new Error("there is no such server");
      }
    },
  );
  function Bare() {
    return <p>{useAdvancedWebSocket().readyState}</p>;
  }
  const { unmount } = render(<Bare />);
  // Another test's client that lingers may dial, too.
  await until("it dials the page's own origin", () => urls.includes("ws://localhost:3000/ws"));
  unmount();
  vi.unstubAllGlobals();
});
