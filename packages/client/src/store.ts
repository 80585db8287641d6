/** Values that are read at any time and told of when they change. */

import { createEmitter } from "./emitter.js";

/** The shortest time between two changes of the counters, in ms. */
export const STATS_INTERVAL = 250;

/** A frozen value with listeners. */
export interface Store<Value> {
  /** The present value: the same object until a field changes. */
  readonly get: () => Value;
  /** Calls back after a change. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** The old value if all fields are the same. Parts keep their identity by whoever makes them. */
export function merge<Value extends object>(old: Value, next: Value): Value {
  const isSame = Object.entries(next).every(([name, field]) => Object.is(field, old[name as keyof Value]));
  return isSame ? old : Object.freeze(next);
}

/** A store of what changes seldom: listeners are called at most once a microtask. */
export function createStore<Value extends object>(
  initial: Value,
): Store<Value> & { readonly update: (next: Value) => void } {
  let value = initial;
  let isTelling = false;
  const listeners = createEmitter<[]>();
  return {
    get: () => value,
    subscribe: listeners.add,
    update(next) {
      const before = value;
      value = merge(value, next);
      if (value === before || isTelling) return;
      isTelling = true;
      queueMicrotask(() => {
        isTelling = false;
        listeners.emit();
      });
    },
  };
}

/** See `createSampledStore`. */
export interface SampledStore<Value> extends Store<Value> {
  /** The value may be another one by now. */
  readonly touch: () => void;
}

/**
 * A store of what changes all the time. While anybody listens, it changes at most every `STATS_INTERVAL`; while nobody
 * does, it is up to date whenever it is read, and costs nothing else.
 */
export function createSampledStore<Value extends object>(initial: Value, read: () => Value): SampledStore<Value> {
  let value = initial;
  let listening = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listeners = createEmitter<[]>();
  const refresh = () => {
    const before = value;
    value = merge(value, read());
    return value !== before;
  };
  return {
    get() {
      if (!listening) refresh();
      return value;
    },
    subscribe(listener) {
      const remove = listeners.add(listener);
      listening += 1;
      let isRemoved = false;
      return () => {
        if (isRemoved) return;
        isRemoved = true;
        remove();
        listening -= 1;
        if (!listening) {
          clearTimeout(timer);
          timer = undefined;
        }
      };
    },
    touch() {
      if (!listening || timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        if (refresh()) listeners.emit();
      }, STATS_INTERVAL);
    },
  };
}
