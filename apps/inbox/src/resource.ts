/** What is asked for by HTTP and shown until it is asked for again. */

import type { Client, RequestError } from "@cossistant/client";
import { useWebSocketEvent } from "@cossistant/react/websocket";
import { useCallback, useEffect, useSyncExternalStore } from "react";

import { useSigned } from "./session/context.js";

/** How many answers are kept, to be shown at once when somebody comes back to them. */
const KEPT_MAX = 200;

/** An answer, as far as there is one. */
export interface Resource<Data> {
  /** The newest answer; undefined before the first. */
  readonly data: Data | undefined;
  /** Why the newest asking failed. */
  readonly error: RequestError | undefined;
  readonly isLoading: boolean;
}

interface Entry {
  shown: Resource<unknown>;
  readonly listeners: Set<() => void>;
  /** Whether what changed while it was on its way makes it old. */
  isStale: boolean;
}

const NOTHING: Resource<never> = { data: undefined, error: undefined, isLoading: true };
const caches = new WeakMap<Client["request"], Map<string, Entry>>();

/**
 * The answer to a GET of this path, asked for when it is first shown, each time `reload` is called, and when there is a
 * connection again after it failed. What was answered before is shown meanwhile, to any component that asks for the same.
 * Without a path nothing is asked.
 */
export function useResource<Data>(path: string | undefined): Resource<Data> & { reload: () => void } {
  const { request } = useSigned();
  const subscribe = useCallback((listener: () => void) => listen(request, path, listener), [request, path]);
  const reload = useCallback(() => path !== undefined && load(request, path, true), [request, path]);
  // What a path answers is the knowledge of whoever asks.
  const shown = useSyncExternalStore(subscribe, () => entryOf(request, path)?.shown ?? NOTHING) as Resource<Data>;
  useEffect(() => void (path !== undefined && load(request, path, false)), [request, path]);
  useWebSocketEvent("connection_established", () => {
    if (shown.error) reload();
  });
  return { ...shown, reload };
}

function listen(request: Client["request"], path: string | undefined, listener: () => void): () => void {
  const entry = entryOf(request, path);
  entry?.listeners.add(listener);
  return () => entry?.listeners.delete(listener);
}

function entryOf(request: Client["request"], path: string | undefined): Entry | undefined {
  if (path === undefined) return undefined;
  const cache = caches.get(request) ?? new Map<string, Entry>();
  caches.set(request, cache);
  const entry = cache.get(path) ?? { shown: NOTHING, listeners: new Set(), isStale: true };
  cache.set(path, entry);
  for (const [other, { listeners }] of cache) {
    if (cache.size <= KEPT_MAX) break;
    if (listeners.size === 0 && other !== path) cache.delete(other);
  }
  return entry;
}

/** Asks. `isStale`: an answer that is on its way will be old already, so it is asked once more behind it. */
async function load(request: Client["request"], path: string, isStale: boolean): Promise<void> {
  const entry = entryOf(request, path);
  if (!entry) return;
  const wasLoading = entry.shown.isLoading && entry.shown !== NOTHING;
  entry.isStale ||= isStale || !wasLoading;
  if (wasLoading) return;
  const show = (shown: Resource<unknown>): void => {
    entry.shown = shown;
    for (const listener of entry.listeners) listener();
  };
  while (entry.isStale) {
    entry.isStale = false;
    show({ ...entry.shown, isLoading: true });
    const asked = request<unknown>("GET", path).then(
      (data) => ({ data, error: undefined, isLoading: false }),
      (error: RequestError) => ({ data: entry.shown.data, error, isLoading: false }),
    );
    show(await asked);
  }
}
