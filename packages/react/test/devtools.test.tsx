/** The devtools: what they show, by keyboard, and that they say nothing themselves. */

import type { Client, WebSocketEventHandlers } from "@cossistant/client";
import { fireEvent, render, screen, within } from "@testing-library/react/pure";
import { StrictMode } from "react";
import { describe, expect, test, vi } from "vitest";

import { createLog, MAX_ENTRIES } from "../src/devtools/log.js";
import { useWebSocket, WebSocketDevtools, WebSocketProvider, type UseAdvancedWebSocketReturn } from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

async function opened(wire: Wire) {
  let renders = 0;
  const given: { ws?: UseAdvancedWebSocketReturn } = {};
  function App() {
    renders += 1;
    given.ws = useWebSocket();
    return null;
  }
  const { container, unmount } = render(
    <StrictMode>
      <WebSocketProvider config={{ url: wire.url }}>
        <App />
        <WebSocketDevtools initialIsOpen />
      </WebSocketProvider>
    </StrictMode>,
  );
  const panel = await until("the panel is loaded", () => screen.queryByRole("region", { name: "WebSocket devtools" }));
  await until("it is connected", () => within(panel).queryByText("connected"));
  return { given, panel, container, unmount, renders: () => renders };
}

const events = (panel: HTMLElement) =>
  [...panel.querySelectorAll("summary")].map(({ textContent }) => textContent?.split(" ").slice(-1)[0]);

describe("devtools", () => {
  test("hold what stood, also before anything was published", async () => {
    let handlers: WebSocketEventHandlers = {};
    const client = { addHandlers: (given: () => WebSocketEventHandlers) => ((handlers = given()), () => undefined) };
    const log = createLog(client as unknown as Client);
    const published = vi.fn();
    const leave = log.subscribe(published);
    const first = log.getSnapshot();
    handlers.onVisitorChanged?.();
    expect(first).toEqual({ entries: [], places: new Map() });
    await until("it is published", () => published.mock.calls.length === 1);
    expect(log.getSnapshot().entries.map(({ name }) => name)).toEqual(["visitor changed"]);
    expect(first.entries).toEqual([]);
    leave();
  });

  test("show state, subscriptions with their places, and the outbox", async () => {
    const wire = await Wire.start({ acknowledges: false, refuses: ["conversation:forbidden"] });
    const { given, panel } = await opened(wire);
    given.ws?.subscribeToConversation("c");
    given.ws?.subscribeToConversation("forbidden");
    void given.ws?.sendChatMessage("c", { text: "waits" }, undefined, { id: "the-id" });
    await until("the refusal is shown", () =>
      panel.textContent?.includes("conversation:forbiddenrefused: not_foundunknown"),
    );
    await until("it is confirmed", () => panel.textContent?.includes("conversation:cconfirmed0"));
    await until("it waits", () => panel.textContent?.includes("sending the-id to c"));
    wire.chat("c", "one");
    wire.chat("c", "two");
    await until("the place follows", () => panel.textContent?.includes("conversation:cconfirmed2"));
    expect(panel.textContent).toContain("user grace");
  });

  test("list what happens, newest first, by filter, held and cleared", async () => {
    const wire = await Wire.start();
    const { panel } = await opened(wire);
    for (const text of ["apples", "pears"]) wire.chat("c", text);
    wire.connections[0]?.socket.close(1012, "restarting");
    await until("the loss is listed", () => events(panel).includes("close"));
    const filter = within(panel).getByLabelText("Filter events");
    fireEvent.change(filter, { target: { value: "NEW pears" } });
    expect(events(panel)).toEqual(["new_message"]);
    fireEvent.change(filter, { target: { value: "new_message" } });
    expect(events(panel)).toEqual(["new_message", "new_message"]);
    expect(panel.querySelector("pre")).toBeNull();
    for (const details of panel.querySelectorAll("details")) {
      details.open = true;
      fireEvent(details, new Event("toggle"));
    }
    const texts = [...panel.querySelectorAll("pre")].map(({ textContent }) => /"text": "(.*)"/.exec(textContent ?? "")?.[1]);
    expect(texts).toEqual(["pears", "apples"]);
    const pause = within(panel).getByRole("button", { name: "Pause" });
    await until("it is back", () => wire.open === 1 && within(panel).queryByText("connected"));
    fireEvent.click(pause);
    expect(pause.getAttribute("aria-pressed")).toBe("true");
    for (let n = 0; n < MAX_ENTRIES; n += 1) wire.chat("c", `more ${n}`);
    await until("they came", () => /received 5\d\d/.test(panel.textContent ?? ""));
    expect(events(panel)).toHaveLength(2);
    fireEvent.click(pause);
    await until("they are listed, up to the bound", () => events(panel).length === MAX_ENTRIES);
    fireEvent.click(within(panel).getByRole("button", { name: "Clear" }));
    await until("the list is empty", () => events(panel).length === 0);
  });

  test("are worked by keyboard, close by Escape, and have a name for everything", async () => {
    const wire = await Wire.start();
    const { panel } = await opened(wire);
    const toggle = screen.getByRole("button", { name: "WebSocket: connected" });
    expect(toggle.getAttribute("aria-expanded")).toBe("true");
    expect(document.getElementById(toggle.getAttribute("aria-controls") ?? "")).toBe(panel);
    for (const control of panel.querySelectorAll("button, input")) {
      expect(control.getAttribute("tabindex")).toBeNull();
      expect(control.textContent || control.getAttribute("aria-label")).toBeTruthy();
    }
    fireEvent.keyDown(within(panel).getByLabelText("Filter events"), { key: "Escape" });
    expect(screen.queryByRole("region", { name: "WebSocket devtools" })).toBeNull();
    expect(toggle.getAttribute("aria-expanded")).toBe("false");
    fireEvent.click(toggle);
    expect(screen.queryByRole("region", { name: "WebSocket devtools" })).not.toBeNull();
  });

  test("say nothing unless a button is pressed, render nothing of the application, and leave nothing", async () => {
    const wire = await Wire.start();
    const { panel, renders, unmount } = await opened(wire);
    const before = renders();
    for (let n = 0; n < 50; n += 1) wire.chat("c", `message ${n}`);
    await until("all are listed", () => events(panel).filter((name) => name === "new_message").length === 50);
    expect(renders()).toBe(before);
    expect(wire.connections.map(({ frames }) => frames)).toEqual([[]]);
    fireEvent.click(within(panel).getByRole("button", { name: "Ping" }));
    await until("the answer is shown", () => /answered after \d+ ms/.test(panel.textContent ?? ""));
    await until("the latency is shown", () => /latency \d+ ms/.test(panel.textContent ?? ""));
    fireEvent.click(within(panel).getByRole("button", { name: "Disconnect" }));
    await until("it is disconnected", () => wire.open === 0);
    fireEvent.click(within(panel).getByRole("button", { name: "Ping" }));
    await until("the failure is shown", () => panel.textContent?.includes("PingError"));
    fireEvent.click(within(panel).getByRole("button", { name: "Connect" }));
    await until("it is connected", () => wire.open === 1);
    unmount();
    await until("the socket is gone", () => wire.open === 0);
  });
});
