/** What happened to a conversation beside messages. Told live and by replays; the server gives no list of it. */

import { useWebSocketEvent, type ConversationStatus } from "@cossistant/react/websocket";
import { createContext, use, useCallback, useState, useSyncExternalStore } from "react";

/** One of them, with its place among the messages. */
export interface ThreadEvent {
  readonly seq: number;
  /** When it was told: RFC 3339. */
  readonly at: string;
  readonly changedBy?: string;
  readonly change:
    | { readonly type: "status"; readonly status: ConversationStatus }
    | { readonly type: "assigned"; readonly to: string | null };
}

/** How many are kept of a conversation, and of how many conversations. */
const MAX = 100;
const CONVERSATIONS_MAX = 300;
const NONE: readonly ThreadEvent[] = [];

/** The events of all conversations. */
export interface EventLog {
  add(conversationId: string, event: ThreadEvent): void;
  of(conversationId: string): readonly ThreadEvent[];
  subscribe(listener: () => void): () => void;
}

/** Makes an empty log. */
export function createEventLog(): EventLog {
  const logs = new Map<string, readonly ThreadEvent[]>();
  const listeners = new Set<() => void>();
  return {
    add(id, event) {
      const old = logs.get(id) ?? NONE;
      // A replay tells again what was told.
      if (old.some(({ seq }) => seq === event.seq)) return;
      logs.delete(id);
      logs.set(id, [...old, event].sort((a, b) => a.seq - b.seq).slice(-MAX));
      const [oldest] = logs.keys();
      if (logs.size > CONVERSATIONS_MAX && oldest !== undefined) logs.delete(oldest);
      for (const listener of listeners) listener();
    },
    of: (id) => logs.get(id) ?? NONE,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Provides the log of the website that is shown. */
export const EventLogContext = createContext<EventLog | undefined>(undefined);

/** A log that is written while the component is mounted. */
export function useEventLog(): EventLog {
  const [log] = useState(createEventLog);
  const now = (timestamp = Date.now()): string => new Date(timestamp).toISOString();
  useWebSocketEvent("conversation_status_changed", ({ conversationId, seq, status, changedBy, timestamp }) =>
    log.add(conversationId, { seq, at: now(timestamp), change: { type: "status", status }, ...(changedBy && { changedBy }) }),
  );
  useWebSocketEvent("conversation_assigned", ({ conversationId, seq, assignedTeamMemberId: to, changedBy, timestamp }) =>
    log.add(conversationId, { seq, at: now(timestamp), change: { type: "assigned", to }, ...(changedBy && { changedBy }) }),
  );
  return log;
}

/** The events of a conversation. */
export function useThreadEvents(conversationId: string): readonly ThreadEvent[] {
  const log = use(EventLogContext);
  const subscribe = useCallback((listener: () => void) => log?.subscribe(listener) ?? (() => undefined), [log]);
  return useSyncExternalStore(subscribe, () => log?.of(conversationId) ?? NONE);
}
