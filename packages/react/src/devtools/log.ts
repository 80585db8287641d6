/** What happened on a connection, as far as anybody was there to write it down. */

import type { Client, WebSocketEventHandlers } from "@cossistant/client";
import type { ServerMessages } from "@cossistant/protocol/types";

/** How many entries are kept; older ones go. */
export const MAX_ENTRIES = 500;

/** The shortest time between two calls of those who listen, in ms. */
const INTERVAL = 100;

/** One thing that happened. */
export interface LogEntry {
  readonly key: number;
  /** In ms since 1970. */
  readonly at: number;
  /** The type of a message, or the name of a handler without its `on`. */
  readonly name: string;
  /** What there is to say of it. */
  readonly detail: unknown;
}

/** What was written down. Frozen; the same object until there is more. */
export interface LogSnapshot {
  /** Newest first. */
  readonly entries: readonly LogEntry[];
  /** The newest place that was seen in each channel. */
  readonly places: ReadonlyMap<string, number>;
}

/** A log of one client. */
export interface Log {
  subscribe(this: void, listener: () => void): () => void;
  getSnapshot(this: void): LogSnapshot;
  /** Forgets the entries; places stay. */
  clear(this: void): void;
}

/** Makes an empty log, which writes while somebody listens. */
export function createLog(client: Client): Log {
  const listeners = new Set<() => void>();
  let entries: LogEntry[] = [];
  const places = new Map<string, number>();
  // Copies, as every later one has: whoever holds it while nothing is published yet holds what stood then.
  let snapshot: LogSnapshot = Object.freeze({ entries: [], places: new Map() });
  let count = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let end: (() => void) | undefined;

  const publish = () => {
    timer = undefined;
    snapshot = Object.freeze({ entries: [...entries], places: new Map(places) });
    for (const listener of listeners) listener();
  };
  const write = (name: string, detail: unknown) => {
    entries.unshift({ key: ++count, at: Date.now(), name, detail });
    entries.length = Math.min(entries.length, MAX_ENTRIES);
    timer ??= setTimeout(publish, INTERVAL);
  };

  const handlers: WebSocketEventHandlers = {
    onMessage(message) {
      for (const [channel, place] of placesIn(message)) {
        places.set(channel, message.type === "subscription_confirmed" ? place : Math.max(place, places.get(channel) ?? 0));
      }
      write(message.type, message);
    },
    onClose: ({ code, reason }) => write("close", { code, reason }),
    onError: () => write("error event", undefined),
    onStateChange: (state) => write("state", state),
    onMessageFailed: ({ id, conversationId, error }) =>
      write("message failed", { id, conversationId, code: error.code, text: error.message }),
    onResync: (channel) => write("resync", channel),
    onVisitorChanged: () => write("visitor changed", undefined),
    onReconnectAttempt: (attempt) => write("reconnect attempt", attempt),
    onReconnectSuccess: () => write("reconnect success", undefined),
    onReconnectFail: () => write("reconnect fail", undefined),
  };

  return {
    subscribe(listener) {
      listeners.add(listener);
      end ??= client.addHandlers(() => handlers);
      return () => {
        listeners.delete(listener);
        if (listeners.size) return;
        clearTimeout(timer);
        timer = undefined;
        end?.();
        end = undefined;
      };
    },
    getSnapshot: () => snapshot,
    clear() {
      entries = [];
      publish();
    },
  };
}

/** The places that a message tells, by channel. */
function placesIn(message: ServerMessages): [channel: string, place: number][] {
  if (message.type === "subscription_confirmed") return [[message.channel, message.head]];
  if (!("seq" in message) || !("websiteId" in message)) return [];
  const places: [string, number][] = [[`conversation:${message.conversationId}`, message.seq]];
  if (message.offset !== undefined) places.push([`website:${message.websiteId}`, message.offset]);
  return places;
}

/** Whether an entry has all of these words in it. */
export function matches(entry: LogEntry, filter: string): boolean {
  if (!filter) return true;
  const text = `${entry.name} ${JSON.stringify(entry.detail) ?? ""}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
