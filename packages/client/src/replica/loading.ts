/** Loading over HTTP: again and again until it succeeds, fails for good, or is not wanted any more. */

import type { RequestError } from "../errors.js";
import type { ReplicaSource } from "./types.js";

/** As of a store that is loaded, in ms. */
const FIRST_RETRY_DELAY = 1_000;
const MAX_RETRY_DELAY = 30_000;

/** The most events that a load remembers. Of more, the oldest go: any answer that is still to come has them. */
export const MAX_LOAD_EVENTS = 1_000;

/** The first page, and a further one. Loads have a name each; these two tell their errors to `error`. */
export const FIRST = "";
export const FURTHER = "+";

/** The loads of one store. */
export interface Loader<Event> {
  /** Why a page could not be loaded; gone after the next success. */
  readonly error: RequestError | undefined;
  /** The end of a load that runs. */
  running(name: string): Promise<void> | undefined;
  /** How many run. */
  count(): number;
  /**
   * Begins to load, in place of a load of the same name. `ask` makes one try; `done` gets the answer and the events that
   * came since the beginning. Failures of the server and of the link are passing: the next try waits for `retryAfter`,
   * else for a delay that grows. Any other is final, and told to `failed`. Resolves at the end, whatever it is.
   */
  run<Answer>(
    name: string,
    ask: (request: <Part>(path: string) => Promise<Part>) => Promise<Answer>,
    done: (answer: Answer, events: readonly Event[]) => void,
    failed?: (error: RequestError) => void,
  ): Promise<void>;
  /** Tells the loads that run of an event. */
  remember(event: Event): void;
  /** Ends a load, or all. Nothing is called for it any more. */
  abort(name?: string): void;
}

interface Load<Event> {
  readonly events: Event[];
  readonly controller: AbortController;
  end: Promise<void>;
}

/** Makes a loader. `changed` is called when a load begins or ends, and when the error changes. */
export function createLoader<Event>(source: ReplicaSource, changed: () => void): Loader<Event> {
  const loads = new Map<string, Load<Event>>();
  let error: RequestError | undefined;

  const loader: Loader<Event> = {
    get error() {
      return error;
    },
    running: (name) => loads.get(name)?.end,
    count: () => loads.size,
    run(name, ask, done, failed) {
      loader.abort(name);
      const load: Load<Event> = { events: [], controller: new AbortController(), end: Promise.resolve() };
      const { signal } = load.controller;
      const isPage = name === FIRST || name === FURTHER;

      async function attempt(delay: number): Promise<void> {
        let failure: RequestError | undefined;
        let answer: unknown;
        try {
          answer = await ask((path) => source.request("GET", path, undefined, signal));
        } catch (reason) {
          failure = reason as RequestError;
        }
        if (signal.aborted) return;
        if (isPage) error = failure;
        if (failure && !(failure.status > 0 && failure.status < 500 && failure.status !== 429)) {
          changed();
          // Jittered, because a server that comes back has all of its clients before the door.
          await pause(Math.max(failure.retryAfter ?? 0, delay * (0.5 + Math.random() / 2)), signal);
          return signal.aborted ? undefined : attempt(Math.min(MAX_RETRY_DELAY, 2 * delay));
        }
        loads.delete(name);
        if (failure) failed?.(failure);
        else done(answer as never, load.events);
        changed();
      }

      loads.set(name, load);
      changed();
      return (load.end = attempt(FIRST_RETRY_DELAY));
    },
    remember(event) {
      for (const { events } of loads.values()) if (events.push(event) > MAX_LOAD_EVENTS) events.shift();
    },
    abort(name) {
      for (const [other, { controller }] of loads) {
        if (name !== undefined && name !== other) continue;
        loads.delete(other);
        controller.abort();
      }
    },
  };
  return loader;
}

/** Waits, or until it is not wanted any more. */
function pause(delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delay);
    signal.onabort = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
