/** Reading a client so that a component renders only for what it has read. */

import { DISCONNECTED, NO_STATS, type Client, type ClientSnapshot, type WebSocketStats } from "@cossistant/client";

/** All that can be read of a connection. */
export interface WebSocketReadable extends ClientSnapshot {
  /** Counters. Whoever reads them hears of changes at most four times a second; who does not, never. */
  readonly stats: WebSocketStats;
}

type Name = keyof WebSocketReadable;

/** A store for `useSyncExternalStore`. */
export interface Reader<Snapshot> {
  subscribe(this: void, listener: () => void): () => void;
  getSnapshot(this: void): Snapshot;
  getServerSnapshot(this: void): Snapshot;
}

const NEVER_CONNECTED: WebSocketReadable = { ...DISCONNECTED, stats: NO_STATS };

/**
 * Reads these fields of a client. A snapshot has them beside what is in `base`; it is another object when one of those
 * that were ever read has changed. Its fields are live, so that whoever keeps a snapshot still reads what is so now.
 */
export function createReader<Base, Field extends Name>(
  client: Client,
  base: Base,
  fields: readonly Field[],
): Reader<Base & Pick<WebSocketReadable, Field>> {
  /** What was read, as it was at the last snapshot. */
  const seen = new Map<Name, unknown>();
  /** Listens to the counters, too; there while anybody listens. */
  let followStats: (() => void) | undefined;

  const valueOf = (name: Name) => (name === "stats" ? client.getStats() : client.getSnapshot()[name]);
  const read = (name: Name) => {
    if (!seen.has(name)) {
      seen.set(name, valueOf(name));
      if (name === "stats") followStats?.();
    }
    return valueOf(name);
  };
  const make = (get: (name: Name) => unknown) => {
    const snapshot = { ...base };
    for (const name of fields) Object.defineProperty(snapshot, name, { enumerable: true, get: () => get(name) });
    // Each field has been defined, with the value that has its name.
    return snapshot as Base & Pick<WebSocketReadable, Field>;
  };
  const serverSnapshot = make((name) => NEVER_CONNECTED[name]);
  let snapshot = make(read);

  return {
    subscribe(listener) {
      const ends = [client.subscribe(listener)];
      followStats = () => ends.push(client.subscribeStats(listener));
      if (seen.has("stats")) followStats();
      return () => {
        followStats = undefined;
        for (const end of ends) end();
      };
    },
    getSnapshot() {
      let isChanged = false;
      for (const [name, before] of seen) {
        const now = valueOf(name);
        seen.set(name, now);
        isChanged ||= now !== before;
      }
      if (isChanged) snapshot = make(read);
      return snapshot;
    },
    getServerSnapshot: () => serverSnapshot,
  };
}
