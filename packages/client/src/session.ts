/** The life of the engine: loading it, handing in what happens, waking it, and making another one when it fails. */

import type { Clock } from "./clock.js";
import { loadEngine } from "./engine/index.js";
import type { Engine, EngineConfig, EngineInput, EngineOutput, EngineStats } from "./engine/types.js";
import type { Log } from "./log.js";

/** The longest wait before the engine is made again, in ms. */
const MAX_PAUSE = 30_000;

/** The longest wait that a timer of a browser can have, in ms. */
const MAX_TIMER = 2 ** 31 - 1;

/** What a session needs of the client. */
export interface SessionHost {
  /** The engine's choices, as they are now. */
  config(): EngineConfig;
  /** Resolves once all is there that a new engine must be told. */
  prepare(): Promise<void>;
  /** What a new engine must be told: choices apart, all that was wished for and is not done. */
  replay(): EngineInput[];
  /** Does what the engine says. `cause` is what it was handed. */
  perform(output: EngineOutput, cause: EngineInput): void;
  /** All that was to be done is done. */
  settled(): void;
  /** The engine is gone, and with it what it knew. Another one comes by itself. */
  lost(error: unknown): void;
}

/** The engine of a client, there or not. */
export interface Session {
  /** Loads the engine and tells it all, unless that is done or under way. */
  start(): void;
  /**
   * Hands in what happened; behind what is being handled, if that is where the call comes from. Whether there is an
   * engine: without one nothing happens, because what lasts is told to the next one.
   */
  input(...inputs: EngineInput[]): boolean;
  /** Runs the callback, unless the present engine is gone by then. */
  whileAlive<Args extends unknown[]>(callback: (...args: Args) => void): (...args: Args) => void;
  /** Whether the engine's outputs are being handled. */
  isHandling(): boolean;
  /** The engine's counters, which begin anew with another engine. Throws when the engine failed. */
  stats(): EngineStats | undefined;
  /** Ends the engine; there will be no other. */
  end(): void;
}

/** Makes a session, which loads nothing yet. */
export function createSession(host: SessionHost, clock: Clock, log: Log): Session {
  let engine: Engine | undefined;
  let isStarted = false;
  let isEnded = false;
  let isHandling = false;
  let failures = 0;
  let failedAt = 0;
  let restart: ReturnType<typeof setTimeout> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wakeAt: number | undefined;
  const queue: EngineInput[] = [];

  const lose = (error: unknown) => {
    console.error("[cossistant] the engine failed", error);
    engine = undefined;
    queue.length = 0;
    sleepUntil(undefined);
    if (isEnded) return;
    host.lost(error);
    isStarted = false;
    // The first time at once; one that fails again and again must not keep the page busy.
    if (clock.now() - failedAt > 2 * MAX_PAUSE) failures = 0;
    failedAt = clock.now();
    restart = setTimeout(start, Math.min(MAX_PAUSE, failures * 1_000));
    failures += 1;
  };

  const sleepUntil = (at: number | undefined) => {
    if (at === wakeAt && timer !== undefined) return;
    clearTimeout(timer);
    timer = undefined;
    wakeAt = at;
    if (at === undefined) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        input({ type: "tick" });
      },
      Math.min(MAX_TIMER, Math.max(0, at - clock.now())),
    );
  };

  const handle = (next: EngineInput) => {
    let outputs: readonly EngineOutput[];
    try {
      outputs = engine?.handle(next, clock.now()) ?? [];
    } catch (error) {
      // What is malformed was handed in by us; nothing has happened to the engine.
      if (error instanceof TypeError) log("refused by the engine", next.type);
      else lose(error);
      return;
    }
    for (const output of outputs) host.perform(output, next);
  };

  const input = (...inputs: EngineInput[]): boolean => {
    if (!engine) return false;
    queue.push(...inputs);
    if (isHandling) return true;
    isHandling = true;
    for (let first = queue.shift(); first; first = queue.shift()) handle(first);
    isHandling = false;
    sleepUntil(engine?.pollTimeout());
    host.settled();
    return true;
  };

  const start = () => {
    if (isStarted || isEnded) return;
    isStarted = true;
    Promise.all([loadEngine(), host.prepare()])
      .then(([factory]) => {
        if (isEnded) return;
        engine = factory.create(host.config(), Math.floor(Math.random() * 2 ** 32));
        input(...host.replay());
      })
      .catch(lose);
  };

  return {
    start,
    input,
    whileAlive(callback) {
      const present = engine;
      return (...args) => {
        if (engine === present) callback(...args);
      };
    },
    isHandling: () => isHandling,
    stats: () => engine?.stats,
    end() {
      isEnded = true;
      clearTimeout(restart);
      sleepUntil(undefined);
      engine?.free();
      engine = undefined;
    },
  };
}
