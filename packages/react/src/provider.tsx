"use client";

import type { WebSocketConfig, WebSocketEventHandlers } from "@cossistant/client";
import type { ReactNode } from "react";

import { useOwner, type Owner } from "./owner.js";
import { useContext } from "./react.js";
import { sharedContext } from "./registry.js";
import { useView, type UseAdvancedWebSocketReturn } from "./view.js";

const OwnerContext = sharedContext();

/** What a provider takes. */
export interface WebSocketProviderProps {
  /**
   * The choices of the application; may be written inline. Only a change of what decides where and how to connect makes
   * another connection: see `WebSocketConfig`.
   */
  config?: WebSocketConfig;
  /** What to call when something happens; may be written inline: those of the newest render are called. */
  handlers?: WebSocketEventHandlers;
  /** Whose hooks use this connection. */
  children?: ReactNode;
}

/**
 * Keeps a connection while it is mounted, for all hooks below it.
 *
 * Providers and direct hooks that ask for the same share one connection. What happens on it renders nothing by itself:
 * each hook renders its own component when what that shows has changed. After the last one is unmounted the connection
 * is closed, a quarter of a second later; messages that are not answered by then fail, unless `persistQueue` is on.
 */
export function WebSocketProvider({ config, handlers, children }: WebSocketProviderProps) {
  return <OwnerContext.Provider value={useOwner(config, handlers)}>{children}</OwnerContext.Provider>;
}

/** The connection of the nearest provider. `hook` is who asks. */
export function useProvided(hook: string): Owner {
  const owner = useContext(OwnerContext);
  if (!owner) throw new Error(`${hook} needs a <WebSocketProvider> above it`);
  // Only `WebSocketProvider` gives it a value.
  return owner as Owner;
}

/**
 * The connection of the nearest `WebSocketProvider`.
 *
 * Renders when a value that the component has read changes; a component that takes functions alone never renders
 * because of it. Subscriptions made through it end with the component.
 *
 * @throws Error outside of a provider.
 */
export function useWebSocket(): UseAdvancedWebSocketReturn {
  return useView(useProvided("useWebSocket"));
}

/**
 * A connection without a provider, kept while the component is mounted. Renders as `useWebSocket` does.
 *
 * Two components that ask for the same share one connection, and each hears of everything.
 */
export function useAdvancedWebSocket(
  config?: WebSocketConfig,
  handlers?: WebSocketEventHandlers,
): UseAdvancedWebSocketReturn {
  return useView(useOwner(config, handlers));
}

/** What `useWebSocketDirect` takes. */
export interface UseWebSocketDirectOptions {
  /** The choices of the application; may be written inline. */
  config?: WebSocketConfig;
  /** What to call when something happens; may be written inline. */
  handlers?: WebSocketEventHandlers;
}

/** `useAdvancedWebSocket`, with one object for both. */
export function useWebSocketDirect({ config, handlers }: UseWebSocketDirectOptions = {}): UseAdvancedWebSocketReturn {
  return useAdvancedWebSocket(config, handlers);
}
