"use client";

import { DISCONNECTED, type ClientSnapshot, type ConnectionState, type ServerMessageOf } from "@cossistant/client";
import type { ServerMessages } from "@cossistant/protocol/types";

import { isShallowEqual } from "./equal.js";
import { useProvided } from "./provider.js";
import { useEffect, useInsertionEffect, useMemo, useRef, useSyncExternalStore } from "./react.js";
import { createReader, type WebSocketReadable } from "./reader.js";

// It has every field of a snapshot.
const ALL = [...Object.keys(DISCONNECTED), "stats"] as (keyof WebSocketReadable)[];

/**
 * What `selector` makes of the connection of the nearest provider.
 *
 * Renders when that changes, as `isEqual` judges: by default when it is another value, or an object of which a field is
 * another value. Both may be written inline. What a selector does not read is not looked at.
 */
export function useWebSocketSelector<Selected>(
  selector: (connection: WebSocketReadable) => Selected,
  isEqual: (one: Selected, other: Selected) => boolean = isShallowEqual,
): Selected {
  const { client } = useProvided("useWebSocketSelector").entry;
  const reader = useMemo(() => createReader(client, {}, ALL), [client]);
  const last = useRef<{ selector: unknown; connection: unknown; selected: Selected }>(undefined);

  const select = (connection: WebSocketReadable) => {
    const before = last.current;
    // React asks more than once, and has to get the same answer until something has changed.
    if (before?.selector === selector && before.connection === connection) return before.selected;
    const selected = selector(connection);
    const isSame = before && isEqual(before.selected, selected);
    last.current = { selector, connection, selected: isSame ? before.selected : selected };
    return last.current.selected;
  };
  return useSyncExternalStore(
    reader.subscribe,
    () => select(reader.getSnapshot()),
    () => select(reader.getServerSnapshot()),
  );
}

/** Where the connection stands, for people. */
export interface UseConnectionReturn {
  /** In one word. */
  readonly state: ConnectionState["type"];
  /** While `waiting`: the number of the next attempt. While `connecting`: that of this one, if one before it failed. */
  readonly attempt?: number;
  /** While `waiting`: when that begins, in ms since 1970. */
  readonly retryAt?: number;
  /** Once `stopped`: why. */
  readonly reason?: "close" | "token_denied" | "exhausted";
  /** Once `stopped` by the server: the close code. */
  readonly code?: number;
  /** Whether the browser says that there is no network. Only a hint. */
  readonly isOffline: boolean;
  /** Ends a wait, and begins anew after a stop. */
  readonly retryNow: () => void;
}

/**
 * Where the connection of the nearest provider stands: what a pill needs that says "reconnecting in 3 s".
 *
 * Renders when one of its fields changes. The seconds that pass until `retryAt` are the pill's own to count.
 */
export function useConnection(): UseConnectionReturn {
  const { actions } = useProvided("useConnection");
  const connection = useWebSocketSelector(connectionOf);
  return useMemo(() => ({ ...connection, retryNow: actions.connect }), [connection, actions]);
}

function connectionOf({ state: { type, ...more }, isOffline }: ClientSnapshot): Omit<UseConnectionReturn, "retryNow"> {
  return { state: type, isOffline, ...more };
}

/**
 * Calls `handler` for each server message of one type on the connection of the nearest provider, in the order in which
 * they happen, while the component is mounted. The handler of the newest render is called. Never renders.
 */
export function useWebSocketEvent<Type extends ServerMessages["type"]>(
  type: Type,
  handler: (message: ServerMessageOf<Type>) => void,
): void {
  const { client } = useProvided("useWebSocketEvent").entry;
  const latest = useRef(handler);
  useInsertionEffect(() => {
    latest.current = handler;
  });
  useEffect(() => client.on(type, (message) => latest.current(message)), [client, type]);
}
