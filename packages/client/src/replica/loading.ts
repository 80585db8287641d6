/** Loading over HTTP: again and again until it succeeds, fails for good, or is not wanted any more. */

import { RequestError } from "../errors.js";
import type { ReplicaSource } from "./types.js";

/** The delay before the second try, in ms; each further one is twice as long, up to the longest. */
export const FIRST_RETRY_DELAY = 1_000;
/** The longest delay of the client's own making, in ms. */
export const MAX_RETRY_DELAY = 30_000;

/** What is loading. `events` are those that came since it began. */
export interface Load<Event> {
  readonly events: Event[];
  abort(): void;
}

/** The most events that a load remembers. Of more, the oldest go: any page that is still to come has them. */
export const MAX_LOAD_EVENTS = 1_000;

/** How a load goes on. None of these is called after `abort`. */
export interface LoadHandlers<Answer, Event> {
  /** It succeeded. */
  done(answer: Answer, events: readonly Event[]): void;
  /** A try failed. `isFinal`: there will be no other one. */
  failed(error: RequestError, isFinal: boolean): void;
}

/**
 * Begins to load. `ask` makes one try. Failures of the server and of the link are passing, and wait for `retryAfter`,
 * else for a delay that grows; any other is final.
 */
export function startLoad<Answer, Event>(
  source: ReplicaSource,
  ask: (request: <Part>(path: string) => Promise<Part>) => Promise<Answer>,
  handlers: LoadHandlers<Answer, Event>,
): Load<Event> {
  const controller = new AbortController();
  const { signal } = controller;
  const events: Event[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  function attempt(): void {
    ask((path) => source.request("GET", path, undefined, signal)).then(
      (answer) => {
        if (!signal.aborted) handlers.done(answer, events);
      },
      (reason: unknown) => {
        if (signal.aborted) return;
        const error = reason instanceof RequestError ? reason : new RequestError(0, "unavailable", undefined, `${reason}`);
        const isPassing = error.status === 0 || error.status === 429 || error.status >= 500;
        handlers.failed(error, !isPassing);
        if (!isPassing || signal.aborted) return;
        const delay = Math.min(MAX_RETRY_DELAY, FIRST_RETRY_DELAY * 2 ** failures);
        failures += 1;
        // Jittered, because a server that comes back has all of its clients before the door.
        timer = setTimeout(attempt, Math.max(error.retryAfter ?? 0, delay * (0.5 + Math.random() / 2)));
      },
    );
  }

  attempt();
  return {
    events,
    abort() {
      controller.abort();
      clearTimeout(timer);
    },
  };
}

/** Tells running loads of an event. */
export function remember<Event>(loads: readonly (Load<Event> | undefined)[], event: Event): void {
  for (const load of loads) {
    if (load && load.events.push(event) > MAX_LOAD_EVENTS) load.events.shift();
  }
}
