"use client";

import {
  DISCONNECTED,
  NO_STATS,
  type Client,
  type ClientActions,
  type ClientHandle,
  type ClientSnapshot,
  type WebSocketStats,
} from "@cossistant/client";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";

import type { Owner } from "./owner.js";

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
    Omit<ClientHandle, "release">,
    Pick<
      ClientSnapshot,
      "readyState" | "isConnected" | "isConnecting" | "subscriptions" | "subscriptionStates" | "queuedMessageCount"
    > {
  /** Counters. Whoever reads them renders at most four times a second because of them; who does not, never. */
  readonly stats: WebSocketStats;
}

type Functions = ClientActions & Omit<ClientHandle, "release">;
type Values = Omit<UseAdvancedWebSocketReturn, keyof Functions>;

/** Reads a client for a component. */
export function useView({ entry: { client }, actions }: Owner): UseAdvancedWebSocketReturn {
  const [{ functions, attach }] = useState(() => createHolder(actions));
  const reader = useMemo(() => createReader(client, functions), [client, functions]);
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

  const functions: Functions = {
    ...actions,
    subscribeToConversation: subscribe("Conversation"),
    subscribeToWebsite: subscribe("Website"),
    unsubscribeFromConversation: unsubscribe("Conversation"),
    unsubscribeFromWebsite: unsubscribe("Website"),
    // Whoever writes these messages by hand holds what they ask for no less.
    sendMessage(message) {
      if (message.type === "subscribe_conversation") functions.subscribeToConversation(message.conversationId);
      else if (message.type === "subscribe_website") functions.subscribeToWebsite(message.websiteId);
      else if (message.type === "unsubscribe_conversation") functions.unsubscribeFromConversation(message.conversationId);
      else if (message.type === "unsubscribe_website") functions.unsubscribeFromWebsite(message.websiteId);
      else actions.sendMessage(message);
    },
  };

  return {
    functions,
    attach(client: Client) {
      const handle = (present = client.createHandle());
      for (const wish of wishes.values()) wish(handle);
      return () => {
        present = undefined;
        handle.release();
      };
    },
  };
}

/** Follows the values that a component reads. */
function createReader(client: Client, functions: Functions) {
  const read = <Name extends keyof Values>(name: Name): Values[Name] =>
    // Both have the fields that `Values` names.
    (name === "stats" ? client.getStats() : client.getSnapshot()[name as keyof ClientSnapshot]) as Values[Name];
  /** The values that were read, as they were when the component last had to render. */
  const seen: Partial<Record<keyof Values, unknown>> = {};
  const names = () => Object.keys(seen) as (keyof Values)[];
  /** Follows the counters, too; there while the component is mounted. */
  let followStats: (() => void) | undefined;

  const track = <Name extends keyof Values>(name: Name) => {
    const value = read(name);
    if (!(name in seen)) {
      seen[name] = value;
      if (name === "stats") followStats?.();
    }
    return value;
  };
  const make = (): UseAdvancedWebSocketReturn => ({
    ...functions,
    get readyState() {
      return track("readyState");
    },
    get isConnected() {
      return track("isConnected");
    },
    get isConnecting() {
      return track("isConnecting");
    },
    get subscriptions() {
      return track("subscriptions");
    },
    get subscriptionStates() {
      return track("subscriptionStates");
    },
    get queuedMessageCount() {
      return track("queuedMessageCount");
    },
    get stats() {
      return track("stats");
    },
  });
  let snapshot = make();
  const { readyState, isConnected, isConnecting, subscriptions, subscriptionStates, queuedMessageCount } = DISCONNECTED;
  const serverSnapshot = {
    ...functions,
    ...{ readyState, isConnected, isConnecting, subscriptions, subscriptionStates, queuedMessageCount },
    stats: NO_STATS,
  };

  return {
    subscribe(listener: () => void) {
      const ends = [client.subscribe(listener)];
      followStats = () => ends.push(client.subscribeStats(listener));
      if ("stats" in seen) followStats();
      return () => {
        followStats = undefined;
        for (const end of ends) end();
      };
    },
    getSnapshot() {
      if (names().some((name) => seen[name] !== read(name))) {
        for (const name of names()) seen[name] = read(name);
        snapshot = make();
      }
      return snapshot;
    },
    getServerSnapshot: () => serverSnapshot,
  };
}
