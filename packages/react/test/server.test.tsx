// @vitest-environment node
/** Rendering on a server: no page, no socket, no change that outlives the request. */

import { renderToString } from "react-dom/server";
import { describe, expect, test } from "vitest";

import { useConnection, useConversation, useInbox, useWebSocket, WebSocketDevtools, WebSocketProvider } from "../src/websocket.js";
import { clients } from "./harness/setup.js";

function Everything() {
  const { isConnected, isConnecting, readyState, subscriptions, subscriptionStates, queuedMessageCount, stats } = useWebSocket();
  const { messages, isLoading, online, typing } = useConversation("c");
  const { conversations, unreadCount } = useInbox("shop", { status: "open" });
  const { state, isOffline } = useConnection();
  const shown = [isConnected, isConnecting, readyState, subscriptions, subscriptionStates, queuedMessageCount, stats];
  return <p>{JSON.stringify([shown, messages, isLoading, online, typing, conversations, unreadCount, state, isOffline])}</p>;
}

describe("behaviour 18: on a server", () => {
  test("all hooks show what is so without a connection, and nothing is left behind", () => {
    expect(typeof window).toBe("undefined");
    const page = () =>
      renderToString(
        <WebSocketProvider config={{ publicKey: "pk", getToken: () => "T", shareAcrossTabs: true, persistQueue: true }}>
          <Everything />
          <WebSocketDevtools initialIsOpen />
        </WebSocketProvider>,
      );
    const html = page();
    const stats = { messagesSent: 0, messagesReceived: 0, reconnectAttempts: 0, bytesSent: 0, bytesReceived: 0 };
    const shown = [false, false, 3, [], {}, 0, stats];
    const text = JSON.stringify([shown, [], true, null, [], [], 0, "disconnected", false]);
    expect(html).toBe(`<p>${text.replaceAll('"', "&quot;")}</p>`);
    expect(page()).toBe(html);
    expect(clients().size).toBe(0);
  });
});
