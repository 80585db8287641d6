/** Taking over a page that a server rendered. */

import { act, render } from "@testing-library/react/pure";
import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { describe, expect, onTestFinished, test, vi } from "vitest";

import { useConnection, useConversation, useWebSocket, WebSocketDevtools, WebSocketProvider } from "../src/websocket.js";
import { until } from "./harness/until.js";
import { Wire } from "./harness/wire.js";

const seen: string[] = [];

function Page({ name = "page" }: { name?: string }) {
  const { isConnected, stats } = useWebSocket();
  const { state } = useConnection();
  const { isLoading } = useConversation("c");
  const shown = `${isConnected} ${state} ${isLoading} ${stats.messagesReceived > 0}`;
  seen.push(`${name}: ${shown}`);
  return <p>{shown}</p>;
}

function hydrate(tree: React.ReactNode, html: string) {
  const container = document.body.appendChild(document.createElement("div"));
  container.innerHTML = html;
  const onRecoverableError = vi.fn();
  const root = hydrateRoot(container, tree, { onRecoverableError });
  onTestFinished(() => {
    act(() => root.unmount());
    container.remove();
  });
  return { container, onRecoverableError };
}

describe("behaviour 18: hydration", () => {
  test("finds what the server rendered, and then connects", async () => {
    const wire = await Wire.start();
    const tree = (
      <StrictMode>
        <WebSocketProvider config={{ url: wire.url }}>
          <Page />
          <WebSocketDevtools />
        </WebSocketProvider>
      </StrictMode>
    );
    const { container, onRecoverableError } = hydrate(tree, renderToString(tree));
    await until("it is connected", () => container.querySelector("p")?.textContent?.startsWith("true connected"));
    expect(onRecoverableError).not.toHaveBeenCalled();
    expect(wire.connections).toHaveLength(1);
  });

  test("finds it, too, when another part of the page has connected long before", async () => {
    const wire = await Wire.start();
    const tree = (name: string) => (
      <WebSocketProvider config={{ url: wire.url }}>
        <Page name={name} />
      </WebSocketProvider>
    );
    const html = renderToString(tree("hydrated"));
    const { container: other } = render(tree("other"));
    await until("the other part is connected", () => other.textContent?.startsWith("true connected"));
    seen.length = 0;
    const { container, onRecoverableError } = hydrate(tree("hydrated"), html);
    await until("it is connected", () => container.textContent?.startsWith("true connected"));
    expect(seen.find((shown) => shown.startsWith("hydrated"))).toBe("hydrated: false disconnected true false");
    expect(onRecoverableError).not.toHaveBeenCalled();
    expect(wire.connections).toHaveLength(1);
  });
});
