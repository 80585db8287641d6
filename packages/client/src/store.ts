/** Values that are read at any time and told of when they change. */

import { createEmitter } from "./emitter.js";

/** The shortest time between two changes of the counters, in ms. */
export const STATS_INTERVAL = 250;

/** A frozen value with listeners. */
export interface Store<Value> {
  /** The present value: the same object until a field changes. */
  getSnapshot(this: void): Value;
  /** Calls back after a change. */
  subscribe(this: void, listener: () => void): () => void;
  /** The value may be another one by now. */
  changed(this: void): void;
  /** Whether anybody listens. */
  isHeard(this: void): boolean;
}

/** The old value if all fields are the same. Parts keep their identity by whoever makes them. */
export function merge<Value extends object>(old: Value | undefined, next: Value): Value {
  const isSame = Object.entries(next).every(([name, field]) => Object.is(field, old?.[name as keyof Value]));
  return isSame && old ? old : Object.freeze(next);
}

/**
 * A store of what is made when it is asked for. Listeners are called once a microtask however much changed.
 *
 * `begin` is called when somebody listens, and what it gives when nobody has listened for a microtask: so a component
 * that React mounts twice, or that gives way to another one, does not begin anew.
 */
export function createStore<Value extends object>(
  make: () => Value,
  begin = () => () => {},
  snapshot?: Value,
): Store<Value> {
  let told = snapshot;
  let isFresh = !!snapshot;
  let isTelling = false;
  let end: (() => void) | undefined;
  const listeners = createEmitter<[]>();

  const getSnapshot = (): Value => {
    if (!isFresh || !snapshot) {
      const next = make();
      isFresh = true;
      snapshot = merge(snapshot, next);
    }
    return snapshot;
  };
  return {
    getSnapshot,
    subscribe(listener) {
      // Whoever begins to listen has read this one.
      if (!listeners.isHeard()) told = getSnapshot();
      const remove = listeners.add(listener);
      end ??= begin();
      return () => {
        remove();
        queueMicrotask(() => {
          if (listeners.isHeard()) return;
          end?.();
          end = undefined;
        });
      };
    },
    changed() {
      isFresh = false;
      if (isTelling || !listeners.isHeard()) return;
      isTelling = true;
      queueMicrotask(() => {
        isTelling = false;
        if (told === getSnapshot()) return;
        told = snapshot;
        listeners.emit();
      });
    },
    isHeard: listeners.isHeard,
  };
}

/**
 * A store of what changes all the time. While anybody listens, it changes at most every `STATS_INTERVAL`; while nobody
 * does, it is up to date whenever it is read, and costs nothing else.
 */
export function createSampledStore<Value extends object>(read: () => Value): Store<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const store = createStore(read);
  return {
    ...store,
    getSnapshot() {
      if (!store.isHeard()) store.changed();
      return store.getSnapshot();
    },
    changed() {
      if (!store.isHeard()) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        store.changed();
      }, STATS_INTERVAL);
    },
  };
}
