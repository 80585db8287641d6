/** What a browser keeps for the one who uses it: settings, drafts, canned replies. All tabs show the same. */

import { useSyncExternalStore } from "react";

/** What all names in the browser's storage begin with. */
const PREFIX = "cossistant-inbox:";
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

/** Many values that outlive the page, each by itself: tabs that change different ones take nothing from each other. */
export interface KeptMap<Item> {
  /** All of them by their keys, the one that was changed last at the end: the same object until one changes. */
  get(this: void): ReadonlyMap<string, Item>;
  /** Changes one; undefined where there is none, or is to be none. Told and written as a single value is. */
  set(this: void, key: string, change: (old: Item | undefined) => Item | undefined): void;
  /** Calls back after a change, one of another tab too. */
  subscribe(this: void, listener: () => void): () => void;
}

/**
 * A value under this name. `read` makes it of what was stored, of which nothing is certain: an older version wrote it, or
 * a person did. Where nothing can be stored, it lasts as long as the page.
 */
export function createKept<Value>(name: string, read: (stored: unknown) => Value): Kept<Value> {
  const place = PREFIX + name;
  let value = read(stored(place));
  const told = createTold();
  const change = (next: Value): void => {
    if (next === value) return;
    value = next;
    told.tell();
  };
  const later = createWriter((name) => store(name, value));
  onStorage((changed) => {
    if (changed === place && !later.isPending(place)) change(read(stored(place)));
  });
  return {
    get: () => value,
    set(make) {
      const next = make(value);
      if (next === value) return;
      later.write(place);
      change(next);
    },
    subscribe: told.subscribe,
  };
}

/**
 * Values under this name, at the most `max`: of more, those go that were changed longest ago. `read` makes one of what was
 * stored, as above; undefined if it is none.
 */
export function createKeptMap<Item>(name: string, max: number, read: (stored: unknown) => Item | undefined): KeptMap<Item> {
  const prefix = `${PREFIX}${name}:`;
  const told = createTold();
  /** When each was changed last, in ms since 1970, beside it: what is stored has no order of its own. */
  let times = new Map<string, number>();
  let items: ReadonlyMap<string, Item> = new Map();

  const readOne = (place: string): [string, number, Item] | undefined => {
    const kept = stored(place);
    if (!isRecord(kept) || typeof kept.changedAt !== "number") return undefined;
    const item = read(kept.value);
    return item === undefined ? undefined : [place.slice(prefix.length), kept.changedAt, item];
  };
  const readAll = (): void => {
    const all = storedPlaces()
      .filter((place) => place.startsWith(prefix))
      .map(readOne)
      .filter((one) => one !== undefined)
      .sort(([, one], [, other]) => one - other);
    times = new Map(all.map(([key, changedAt]) => [key, changedAt]));
    items = new Map(all.map(([key, , item]) => [key, item]));
  };
  const put = (key: string, item: Item | undefined, changedAt: number): void => {
    const next = new Map(items);
    next.delete(key);
    times.delete(key);
    if (item !== undefined) {
      next.set(key, item);
      times.set(key, changedAt);
    }
    items = next;
  };
  const later = createWriter((place) => {
    const key = place.slice(prefix.length);
    const item = items.get(key);
    store(place, item === undefined ? undefined : { changedAt: times.get(key), value: item });
  });

  readAll();
  onStorage((place) => {
    if (!place.startsWith(prefix) || later.isPending(place)) return;
    const [key, changedAt, item] = readOne(place) ?? [place.slice(prefix.length), 0, undefined];
    put(key, item, changedAt);
    told.tell();
  });
  return {
    get: () => items,
    set(key, change) {
      const before = items.get(key);
      const item = change(before);
      if (item === before) return;
      put(key, item, Date.now());
      later.write(prefix + key);
      for (const oldest of [...items.keys()].slice(0, Math.max(0, items.size - max))) {
        put(oldest, undefined, 0);
        later.write(prefix + oldest);
      }
      told.tell();
    },
    subscribe: told.subscribe,
  };
}

/** The value, as a component shows it. */
export function useKept<Value>({ subscribe, get }: Pick<Kept<Value>, "subscribe" | "get">): Value {
  return useSyncExternalStore(subscribe, get);
}

/** Whether something stored is an object with fields. */
export function isRecord(stored: unknown): stored is Record<string, unknown> {
  return typeof stored === "object" && stored !== null && !Array.isArray(stored);
}

/** Those who want to hear of changes. */
function createTold() {
  const listeners = new Set<() => void>();
  return {
    tell(): void {
      for (const listener of listeners) listener();
    },
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Writes places of the storage a little after they have changed, and at the latest when one goes elsewhere. */
function createWriter(write: (place: string) => void) {
  const places = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    for (const place of places) write(place);
    places.clear();
  };
  if (typeof window !== "undefined") {
    window.addEventListener("pagehide", flush);
    window.addEventListener("blur", flush);
  }
  return {
    write(place: string): void {
      places.add(place);
      clearTimeout(timer);
      timer = setTimeout(flush, WRITE_DELAY);
    },
    /** What is being changed here is newer than what another tab had. */
    isPending: (place: string): boolean => places.has(place),
  };
}

/** Calls back with the place that another tab has changed. */
function onStorage(changed: (place: string) => void): void {
  if (typeof window === "undefined") return;
  window.addEventListener("storage", ({ key }) => {
    if (key !== null) changed(key);
  });
}

/** Stores a value, or forgets it if it is undefined. */
function store(place: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(place);
    else localStorage.setItem(place, JSON.stringify(value));
  } catch {
    // Storage that is full or forbidden must not stop anybody from writing.
  }
}

function stored(place: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(place) ?? "null");
  } catch {
    return null;
  }
}

function storedPlaces(): string[] {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}
