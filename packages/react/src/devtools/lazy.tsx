"use client";

import type { ReactElement } from "react";

import { LazyDevtools } from "./delayed.js";
import type { WebSocketDevtoolsProps } from "./index.js";

/**
 * A panel that shows what the connection of the nearest provider does: its state, the subscriptions with their places,
 * the messages that are not answered, the link, and what happens on it.
 *
 * It is loaded after the page, and in production builds it is left out: there this renders nothing. Whoever wants it
 * there takes it from `@cossistant/react/devtools`. It sends nothing unless one of its buttons is pressed.
 */
export const WebSocketDevtools: (props: WebSocketDevtoolsProps) => ReactElement | null =
  process.env.NODE_ENV === "production" ? () => null : LazyDevtools;
