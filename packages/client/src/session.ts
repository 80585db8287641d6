/** The life of the engine: loading it, handing in what happens, waking it, and making another one when it fails. */

import type { WebSocketConfig } from "./config.js";
import type { Core } from "./core.js";
import { loadEngine } from "./engine/index.js";
import type { Engine, EngineInput, EngineOutput, EngineStats } from "./engine/types.js";
import { engineConfig } from "./options.js";
import { closeEvent, perform } from "./perform.js";

/** The longest wait before the engine is made again, in ms. */
const MAX_PAUSE = 30_000;

/** The longest wait that a timer of a browser can have, in ms. */
const MAX_TIMER = 2 ** 31 - 1;

/** The engine of a client, there or not. */
export interface Session {
  /** Loads the engine and tells it all, unless that is done or under way. */
  start(): void;
  /**
   * Hands in what happened; behind what is being handled, if that is where the call comes from. Whether there is an
   * engine: without one nothing happens, because what lasts is told to the next one.
   */
  input(...inputs: EngineInput[]): boolean;
  /** Another person is connected: what the one before wrote fails, and all begins anew. */
  renew(): void;
  /** Whose inputs these are: another value once the engine is gone. */
  engine(): Engine | undefined;
  /** Whether the engine's outputs are being handled. */
  isHandling(): boolean;
  /** The engine's counters, which begin anew with another engine. */
  stats(): EngineStats | undefined;
  /** Ends the engine; there will be no other. */
  end(): void;
}

/** Makes a session, which loads nothing yet. */
export function createSession(core: Core): Session {
  const { config, clock } = core;
  let engine: Engine | undefined;
  let isStarted = false;
  let isHandling = false;
  let failures = 0;
  let failedAt = 0;
  let restart: ReturnType<typeof setTimeout> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const queue: EngineInput[] = [];

  /** Goes on without this engine. */
  const drop = () => {
    engine = undefined;
    queue.length = 0;
    clearTimeout(timer);
    tellLoss(core);
    isStarted = false;
  };

  const lose = (error: unknown) => {
    console.error("[cossistant] the engine failed", error);
    drop();
    // The first time at once; one that fails again and again must not keep the page busy.
    if (clock.now() - failedAt > 2 * MAX_PAUSE) failures = 0;
    failedAt = clock.now();
    restart = setTimeout(start, Math.min(MAX_PAUSE, failures * 1_000));
    failures += 1;
  };

  const sleep = () => {
    clearTimeout(timer);
    const at = engine?.pollTimeout();
    if (at === undefined) return;
    timer = setTimeout(input, Math.min(MAX_TIMER, Math.max(0, at - clock.now())), { type: "tick" });
  };

  const handle = (next: EngineInput) => {
    let outputs: readonly EngineOutput[];
    try {
      outputs = engine?.handle(next, clock.now()) ?? [];
    } catch (error) {
      // What is malformed was handed in by us; nothing has happened to the engine.
      if (error instanceof TypeError) core.log("refused", next.type);
      else lose(error);
      return;
    }
    // None is left once one of them has ended the engine.
    for (const output of outputs) if (engine) perform(core, output, next);
  };

  const input = (...inputs: EngineInput[]): boolean => {
    if (!engine) return false;
    queue.push(...inputs);
    if (isHandling) return true;
    isHandling = true;
    for (let next = queue.shift(); next; next = queue.shift()) handle(next);
    isHandling = false;
    sleep();
    core.status.change();
    core.stats.changed();
    return true;
  };

  const start = () => {
    if (isStarted || !core.lifetime.isWanted()) return;
    isStarted = true;
    Promise.all([loadEngine(), prepare(core, config)])
      .then(([factory]) => {
        if (core.isDestroyed) return;
        engine = factory.create(engineConfig(core), Math.floor(Math.random() * 2 ** 32));
        input(...replay(core));
      })
      .catch(lose);
  };

  return {
    start,
    input,
    engine: () => engine,
    isHandling: () => isHandling,
    stats: () => engine?.stats,
    renew() {
      engine?.free();
      drop();
      core.outgoing.allFailed("forbidden");
      start();
    },
    end() {
      clearTimeout(restart);
      clearTimeout(timer);
      engine?.free();
      engine = undefined;
    },
  };
}

/** Loads what only some clients have, once. Rejects like the engine's loading, and is tried again with it. */
async function prepare(core: Core, config: WebSocketConfig): Promise<void> {
  if (core.extras || !(config.persistQueue || config.shareAcrossTabs)) return;
  await (await import("./extras.js")).addExtras(core, config);
}

/** What a new engine must be told: choices apart, all that was wished for and is not done. */
function replay(core: Core): EngineInput[] {
  const isHidden = typeof document !== "undefined" && document.visibilityState === "hidden";
  return [
    ...(isHidden ? [{ type: "hidden" } as const] : []),
    ...core.wishes.replay(),
    ...(core.isReady ? core.outgoing.replay() : []),
    ...(core.lifetime.isWanted() ? [{ type: "connect" } as const] : []),
  ];
}

/** The engine failed: what it alone knew is lost, and all else is as after the loss of a connection. */
function tellLoss(core: Core): void {
  const { isConnected } = core.status.getSnapshot();
  core.connection.close(1000);
  core.wishes.halted();
  core.outgoing.halted();
  core.pings.failed();
  core.status.enter({ type: core.lifetime.isWanted() ? "connecting" : "disconnected" });
  if (isConnected) core.events.tell("onClose", closeEvent(1006, ""));
}
