"use client";

import { useEffect, useState, type ComponentType, type ReactElement } from "react";

import type { WebSocketDevtoolsProps } from "./index.js";

// Bundlers see that a production build never gets here, and leave the panel out of it.
const load = process.env.NODE_ENV === "production" ? undefined : () => import("./index.js");

/**
 * A panel that shows what the connection of the nearest provider does: its state, the subscriptions with their places,
 * the messages that are not answered, the link, and what happens on it.
 *
 * It is loaded after the page, and in production builds it is left out: there this renders nothing. Whoever wants it
 * there takes it from `@cossistant/react/devtools`. It sends nothing unless one of its buttons is pressed.
 */
export const WebSocketDevtools: (props: WebSocketDevtoolsProps) => ReactElement | null =
  process.env.NODE_ENV === "production" ? () => null : LazyDevtools;

function LazyDevtools(props: WebSocketDevtoolsProps) {
  const [Panel, show] = useState<ComponentType<WebSocketDevtoolsProps>>();
  useEffect(() => {
    let isMounted = true;
    void load?.().then(({ WebSocketDevtools }) => {
      if (isMounted) show(() => WebSocketDevtools);
    });
    return () => {
      isMounted = false;
    };
  }, []);
  return Panel ? <Panel {...props} /> : null;
}
