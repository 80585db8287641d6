/** A store whose code is a chunk of its own, which comes when somebody listens. */

import { RequestError } from "../errors.js";
import { createStore, type Store } from "../store.js";

/** The delay before a second try to load something, in ms; each further one is twice as long, up to the longest. */
export const FIRST_RETRY_DELAY = 1_000;
/** The longest delay of the client's own making, in ms. */
const MAX_RETRY_DELAY = 30_000;
/** An empty list. */
export const NOTHING: readonly never[] = Object.freeze([]);
/** How many calls wait for a store; of more, the oldest go. */
export const CALLS_MAX = 100;

/** What of a store applications see. */
type Readable<Snapshot> = Pick<Store<Snapshot>, "getSnapshot" | "subscribe">;

/** A store that is there, or will be. */
export interface LazyStore<Snapshot, Real> extends Store<Snapshot> {
  /** Loads it, now. Rejects with a `RequestError` when that fails. */
  load(this: void): Promise<Real>;
  /** Does something with it: now if it is there, and otherwise once it is, unless whoever listens leaves before. */
  use<Answer>(this: void, call: (real: Real) => Answer): Answer | undefined;
  /** Tries again now if somebody waits for it. */
  tryAgain(this: void): void;
  /** Ends the tries, and the listening. */
  stop(this: void): void;
}

/**
 * Makes a store that shows what `getReal` gives, and `preview` until then. It loads when somebody begins to listen, and
 * after a failure again and again while anybody does.
 */
export function createLazyStore<Snapshot extends { error: unknown }, Real extends Readable<Snapshot>>(
  preview: () => Snapshot,
  getReal: () => Promise<Real>,
): LazyStore<Snapshot, Real> {
  let real: Real | undefined;
  let loading: Promise<Real> | undefined;
  let error: RequestError | undefined;
  let isHeard = false;
  let unsubscribe = () => {};
  let delay = FIRST_RETRY_DELAY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let calls: ((real: Real) => unknown)[] = [];

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
    for (const call of calls) call(real);
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
    calls = [];
    clearTimeout(timer);
    unsubscribe();
  }

  return {
    ...store,
    // What is there is read itself: this store hears of its changes only a moment later.
    getSnapshot: () => (real ?? store).getSnapshot(),
    load,
    use(call) {
      if (real) return call(real);
      calls = [...calls, call].slice(-CALLS_MAX);
      load().catch(() => {});
      return undefined;
    },
    tryAgain,
    stop,
  };
}
