/** What a browser keeps for the one who uses it: settings, drafts, canned replies. All tabs show the same. */

import { useSyncExternalStore } from "react";

/** How long a change waits for the next one before it is written, in ms; not when the page is left, or another tab is taken up. */
const WRITE_DELAY = 300;

/** A value that outlives the page. */
export interface Kept<Value> {
  /** The value: the same object until it changes. */
  get(this: void): Value;
  /** Changes it; told at once, written soon, and at the latest when one goes elsewhere. */
  set(this: void, change: (old: Value) => Value): void;
  /** Calls back after a change, one of another tab too. */
  subscribe(this: void, listener: () => void): () => void;
}

/**
 * A value under this name. `read` makes it of what was stored, of which nothing is certain: an older version wrote it, or
 * a person did. Where nothing can be stored, it lasts as long as the page.
 */
export function createKept<Value>(name: string, read: (stored: unknown) => Value): Kept<Value> {
  const key = `cossistant-inbox:${name}`;
  const listeners = new Set<() => void>();
  let value = read(stored(key));
  let timer: ReturnType<typeof setTimeout> | undefined;

  const write = (): void => {
    clearTimeout(timer);
    if (timer === undefined) return;
    timer = undefined;
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch {
      // Storage that is full or forbidden must not stop anybody from writing.
    }
  };
  const change = (next: Value): void => {
    if (next === value) return;
    value = next;
    for (const listener of listeners) listener();
  };
  if (typeof window !== "undefined") {
    window.addEventListener("pagehide", write);
    window.addEventListener("blur", write);
    window.addEventListener("storage", (event) => {
      // What is being changed here is newer than what another tab had.
      if (event.key === key && timer === undefined) change(read(stored(key)));
    });
  }

  return {
    get: () => value,
    set(make) {
      const next = make(value);
      if (next === value) return;
      clearTimeout(timer);
      timer = setTimeout(write, WRITE_DELAY);
      change(next);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value, as a component shows it. */
export function useKept<Value>({ subscribe, get }: Kept<Value>): Value {
  return useSyncExternalStore(subscribe, get);
}

/** Whether something stored is an object with fields. */
export function isRecord(stored: unknown): stored is Record<string, unknown> {
  return typeof stored === "object" && stored !== null && !Array.isArray(stored);
}

function stored(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}
