"use client";

import { holdAsTold, type Client, type ClientActions, type ClientHandle, type WebSocketStats } from "@cossistant/client";

import type { Owner } from "./owner.js";
import { useEffect, useMemo, useState, useSyncExternalStore } from "./react.js";
import { createReader, type WebSocketReadable } from "./reader.js";

const VALUES = [
  "readyState",
  "isConnected",
  "isConnecting",
  "subscriptions",
  "subscriptionStates",
  "queuedMessageCount",
  "stats",
] as const;

type Subscribing = Omit<ClientHandle, "release">;

/**
 * What the hooks return.
 *
 * Functions keep their identity for the component's life and need no `this`: they may stand in lists of dependencies,
 * and be taken out of the object. Values are live: the component renders again when one of those that it has read
 * changes, and not for the others. Read through the object they are always the newest, also in an old closure.
 *
 * Subscriptions that are asked for here belong to the component: they are kept over any number of reconnects, and
 * let go of when it unmounts.
 */
export interface UseAdvancedWebSocketReturn
  extends ClientActions,
    Subscribing,
    Pick<WebSocketReadable, Exclude<(typeof VALUES)[number], "stats">> {
  /** Counters. Whoever reads them renders at most four times a second because of them; who does not, never. */
  readonly stats: WebSocketStats;
}

/** Reads a client for a component. */
export function useView({ entry: { client }, actions }: Owner): UseAdvancedWebSocketReturn {
  const [{ functions, attach }] = useState(() => createHolder(actions));
  const reader = useMemo(() => createReader(client, functions, VALUES), [client, functions]);
  useEffect(() => attach(client), [attach, client]);
  return useSyncExternalStore(reader.subscribe, reader.getSnapshot, reader.getServerSnapshot);
}

/** The subscriptions of one component. Wishes outlive its client, and are asked for while it is mounted. */
function createHolder(actions: ClientActions) {
  const wishes = new Map<string, (handle: ClientHandle) => void>();
  let present: ClientHandle | undefined;

  const subscribe = (kind: "Conversation" | "Website") => (id: string) => {
    const wish = (handle: ClientHandle) => handle[`subscribeTo${kind}`](id);
    wishes.set(kind + id, wish);
    if (present) wish(present);
  };
  const unsubscribe = (kind: "Conversation" | "Website") => (id: string) => {
    wishes.delete(kind + id);
    present?.[`unsubscribeFrom${kind}`](id);
  };

  const functions: ClientActions & Subscribing = {
    ...actions,
    subscribeToConversation: subscribe("Conversation"),
    subscribeToWebsite: subscribe("Website"),
    unsubscribeFromConversation: unsubscribe("Conversation"),
    unsubscribeFromWebsite: unsubscribe("Website"),
    // Whoever writes such a message by hand holds what it asks for no less.
    sendMessage(message) {
      if (!holdAsTold(functions, message)) actions.sendMessage(message);
    },
  };

  return {
    functions,
    attach(client: Client) {
      const handle = (present = client.createHandle());
      for (const wish of wishes.values()) wish(handle);
      return () => {
        present = undefined;
        // Whoever mounts at the same moment, perhaps this very component, gets hold of the same before it is let go.
        queueMicrotask(handle.release);
      };
    },
  };
}
