/** The examples run as they are written. */

import { fireEvent, render, screen } from "@testing-library/react/pure";
import { StrictMode } from "react";
import { beforeEach, describe, expect, test } from "vitest";

import { WebSocketProvider, type TypingProgressEvent } from "../src/websocket.js";
import { Corner, NightShift } from "./examples/loose.js";
import { bookkeeping, HelpDesk, journal, LineMonitor, Shop, Standalone } from "./examples/strict.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

beforeEach(() => {
  journal.length = 0;
});

const draft = (conversationId: string, content: string): TypingProgressEvent => ({
  type: "typing_progress",
  conversationId,
  content,
  userId: "ada",
  userType: "visitor",
  websiteId: "shop",
  organizationId: "acme",
});

describe("examples", () => {
  test("a provider with everything inline, a conversation, and a monitor", async () => {
    const wire = await Wire.start();
    const { container, rerender } = render(
      <StrictMode>
        <Shop url={wire.url}>
          <HelpDesk />
          <LineMonitor />
        </Shop>
      </StrictMode>,
    );
    await until("it is connected", () => screen.queryByText("We are here."));
    const input = screen.getByLabelText("Your question");
    fireEvent.focus(input);
    fireEvent.change(input, { target: { value: "Where is my order?" } });
    await until("the draft is told", () => wire.frames("typing_progress").at(-1)?.content === "Where is my order?");
    fireEvent.submit(input);
    await until("the message is sent", () => wire.frames("send_message")[0]?.content.text === "Where is my order?");
    fireEvent.blur(input);
    wire.chat("order-17", "On its way.");
    wire.say(draft("order-17", "And"));
    await until("all is written down", () => journal.length === 3);
    expect(journal).toEqual(["message Where is my order?", "message On its way.", "draft And"]);
    expect(wire.frames("subscribe_conversation").map(({ conversationId }) => conversationId)).toEqual(["order-17"]);
    expect(wire.frames("typing_start")).toHaveLength(1);
    await until("the counters are shown", () => /up.*Received[3-9]/.test(container.textContent ?? ""));
    rerender(<StrictMode />);
    await until("the socket is gone", () => wire.open === 0);
    expect(wire.connections).toHaveLength(1);
  });

  test("an object of handlers", async () => {
    const wire = await Wire.start();
    render(
      <WebSocketProvider config={{ url: wire.url, reconnectDelay: 1, maxReconnectAttempts: 1 }} handlers={bookkeeping}>
        <LineMonitor />
      </WebSocketProvider>,
    );
    await until("it is connected", () => journal.includes("open open"));
    wire.chat("c", "hello");
    wire.say(draft("c", "and"));
    const { websiteId, organizationId } = draft("", "");
    const of = { conversationId: "c", websiteId, organizationId };
    wire.say({ ...of, type: "typing_indicator", userId: "ada", userType: "visitor", isTyping: true });
    wire.say({ ...of, type: "conversation_status_changed", status: "resolved", seq: 2 });
    wire.say({ ...of, type: "visitor_online", visitorId: "ada", conversationIds: ["c"] });
    await until("all is written down", () => journal.includes("presence visitor_online"));
    wire.connections[0]?.socket.close(1012, "restarting");
    await until("it is back", () => journal.includes("back"));
    for (const entry of ["message hello", "draft and", "typing true", "status resolved", "close 1012 restarting", "attempt 1"]) {
      expect(journal).toContain(entry);
    }
    expect(journal.filter((entry) => entry.startsWith("any"))).toHaveLength(7);
  });

  test("screens without types", async () => {
    const wire = await Wire.start();
    const { container } = render(<NightShift url={wire.url} />);
    await until("the website is asked for", () => wire.frames("subscribe_website")[0]?.websiteId === "shop");
    wire.say(draft("order-18", "Is it"));
    await until("the draft is shown", () => container.querySelector("q")?.textContent === "Is it");
    render(
      <WebSocketProvider config={{ url: wire.url }}>
        <Corner />
      </WebSocketProvider>,
    );
    fireEvent.click(screen.getByText("Ask"));
    await until("it is sent", () => wire.frames("send_message")[0]?.content.text === "Is it on its way?");
  });

  test("a connection of its own", async () => {
    const wire = await Wire.start();
    const { container } = render(<Standalone url={wire.url} />);
    await until("it is connected", () => container.textContent === "up");
    wire.chat("c", "hello");
    await until("it is heard", () => journal[0] === "alone hello");
  });
});
