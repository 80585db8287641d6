/** Calling others without being harmed by them. */

/** A list of listeners. */
export interface Emitter<Args extends unknown[]> {
  /** Adds a listener; returns what removes it, however often that is called. The same function may be added twice. */
  readonly add: (listener: (...args: Args) => void) => () => void;
  /**
   * Calls those that are there now, in the order in which they came. What one of them throws is reported as unhandled
   * and disturbs nobody else.
   */
  readonly emit: (...args: Args) => void;
  /** Whether anybody listens. */
  readonly isHeard: () => boolean;
}

/** Makes an empty list. */
export function createEmitter<Args extends unknown[]>(): Emitter<Args> {
  let listeners: readonly { readonly listener: (...args: Args) => void }[] = [];
  return {
    add(listener) {
      const entry = { listener };
      listeners = [...listeners, entry];
      return () => {
        listeners = listeners.filter((other) => other !== entry);
      };
    },
    emit(...args) {
      for (const { listener } of listeners) {
        try {
          listener(...args);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
    isHeard: () => listeners.length > 0,
  };
}
