/** A snapshot that is made when it is asked for, and those who listen to it. */

/** The outside of a store. */
export interface Cell<Snapshot> {
  /** The present snapshot: the same object until something in it changes. */
  getSnapshot(this: void): Snapshot;
  /** Calls back after the snapshot changed, once a microtask however much changed in it. */
  subscribe(this: void, listener: () => void): () => void;
  /** Something changed that the snapshot is made of. */
  changed(): void;
}

/**
 * Makes a cell. `make` gives the fields of a snapshot; one that equals the snapshot before, field by field, is not a
 * change. `begin` is called when somebody listens, and what it gives when nobody has listened for a microtask: so a
 * component that React mounts twice, or that gives way to another one, does not begin anew.
 */
export function createCell<Snapshot extends object>(make: () => Snapshot, begin: () => () => void): Cell<Snapshot> {
  const listeners = new Set<{ call: () => void }>();
  let snapshot: Snapshot | undefined;
  let told: Snapshot | undefined;
  let isFresh = false;
  let isTelling = false;
  let end: (() => void) | undefined;

  function getSnapshot(): Snapshot {
    if (!isFresh || !snapshot) {
      const next = make();
      isFresh = true;
      snapshot = snapshot && isSame(snapshot, next) ? snapshot : Object.freeze(next);
    }
    return snapshot;
  }

  function tell(): void {
    isTelling = false;
    if (told === getSnapshot()) return;
    told = snapshot;
    for (const { call } of listeners) {
      try {
        call();
      } catch (error) {
        // It is the listener's own fault and must be seen, but nobody else's matter.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  return {
    getSnapshot,
    subscribe(listener) {
      const entry = { call: listener };
      listeners.add(entry);
      // Whoever begins to listen has read this one.
      told ??= getSnapshot();
      end ??= begin();
      return () => {
        if (!listeners.delete(entry)) return;
        queueMicrotask(() => {
          if (listeners.size > 0) return;
          end?.();
          end = undefined;
        });
      };
    },
    changed() {
      isFresh = false;
      if (isTelling || listeners.size === 0) return;
      isTelling = true;
      queueMicrotask(tell);
    },
  };
}

function isSame<Snapshot extends object>(a: Snapshot, b: Snapshot): boolean {
  return (Object.keys(b) as (keyof Snapshot)[]).every((name) => a[name] === b[name]);
}
