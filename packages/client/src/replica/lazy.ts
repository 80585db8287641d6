/** A store whose code is a chunk of its own, which comes when somebody listens. */

import { RequestError } from "../errors.js";
import { createStore, type Store } from "../store.js";

/** The delay before a second try to load something, in ms; each further one is twice as long, up to the longest. */
export const FIRST_RETRY_DELAY = 1_000;
/** The longest delay of the client's own making, in ms. */
export const MAX_RETRY_DELAY = 30_000;

/** What of a store applications see. */
type Readable<Snapshot> = Omit<Store<Snapshot>, "changed">;

/** A store that is there, or will be. */
export interface LazyStore<Snapshot, Real> extends Store<Snapshot> {
  /** The store itself, once it is there. */
  real(this: void): Real | undefined;
  /** Loads it, now. Rejects with a `RequestError` when that fails. */
  load(this: void): Promise<Real>;
  /** Tries again now if somebody waits for it. */
  tryAgain(this: void): void;
  /** Ends the tries, and the listening. */
  stop(this: void): void;
}

/**
 * Makes a store that shows what `getReal` gives, and `preview` until then. It loads when somebody begins to listen, and
 * after a failure again and again while anybody does; `end` is called when nobody does any more.
 */
export function createLazyStore<Snapshot extends { error: unknown }, Real extends Readable<Snapshot>>(
  preview: () => Snapshot,
  getReal: () => Promise<Real>,
  end = () => {},
): LazyStore<Snapshot, Real> {
  let real: Real | undefined;
  let loading: Promise<Real> | undefined;
  let error: RequestError | undefined;
  let isHeard = false;
  let unsubscribe = () => {};
  let delay = FIRST_RETRY_DELAY;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const store = createStore<Snapshot>(
    () => real?.getSnapshot() ?? { ...preview(), error },
    () => {
      isHeard = true;
      delay = FIRST_RETRY_DELAY;
      if (real) unsubscribe = real.subscribe(store.changed);
      else tryAgain();
      return stop;
    },
  );

  function load(): Promise<Real> {
    clearTimeout(timer);
    return (loading ??= getReal().then(arrive, fail));
  }

  function arrive(arrived: Real): Real {
    real = arrived;
    if (isHeard) unsubscribe = real.subscribe(store.changed);
    store.changed();
    return real;
  }

  function fail(): never {
    loading = undefined;
    error = new RequestError(0, "unavailable");
    if (isHeard) timer = setTimeout(tryAgain, delay);
    delay = Math.min(MAX_RETRY_DELAY, 2 * delay);
    store.changed();
    throw error;
  }

  function tryAgain(): void {
    // Whoever listens sees the error.
    if (isHeard && !real) load().catch(() => {});
  }

  function stop(): void {
    isHeard = false;
    clearTimeout(timer);
    unsubscribe();
    end();
  }

  // What is there is read itself: this store hears of its changes only a moment later.
  const getSnapshot = () => (real ?? store).getSnapshot();
  return { ...store, getSnapshot, real: () => real, load, tryAgain, stop };
}
