/** An engine on the exports of one instance of a build. */

import { createRecords, type Exports } from "./abi.js";
import type { Engine, EngineConfig, EngineInput, EngineOutput, EngineStats } from "./types.js";

/** The engine failed, which is a fault of ours. It is unusable; others are not concerned. */
export class EngineTrap extends Error {
  constructor(cause: unknown) {
    super("the engine failed", { cause });
    this.name = "EngineTrap";
  }
}

/** What the engine says when all outputs were polled. */
interface Idle extends Omit<EngineStats, "lastError"> {
  readonly type: "idle";
  readonly timeout?: number;
  readonly queued: number;
  readonly lastError?: string | number;
}

/** Makes the engine of an instance. */
export function createEngine(exports: Exports, config: EngineConfig, seed: number): Engine {
  const records = createRecords(exports);
  let idle: Idle;
  /** Why there is no engine any more. */
  let end: Error | undefined;

  /** Runs a call; one that fails in the engine is the last. */
  const guard = <T>(call: () => T): T => {
    if (end) throw end;
    try {
      return call();
    } catch (error) {
      throw (end = new EngineTrap(error));
    }
  };

  const take = (call: () => number) => {
    if (!guard(call)) throw new TypeError("refused");
  };

  const drain = () =>
    guard(() => {
      const outputs: EngineOutput[] = [];
      for (;;) {
        exports.poll();
        const output = records.readOutput() as unknown as EngineOutput | Idle;
        if (output.type === "idle") {
          idle = output;
          return outputs;
        }
        outputs.push(output);
      }
    });

  records.writeConfig(seed, config);
  take(exports.create);
  drain();

  return {
    handle(input: EngineInput, now: number) {
      if (end) throw end;
      records.writeInput(input);
      take(() => exports.handle(now));
      return drain();
    },
    pollTimeout: () => idle.timeout,
    get queuedMessageCount() {
      return idle.queued;
    },
    get stats() {
      const { type, timeout, queued, ...stats } = idle;
      const { lastError } = stats;
      // The number of an error is a close code.
      return typeof lastError === "number" ? { ...stats, lastError: `close ${lastError}` } : (stats as EngineStats);
    },
    free() {
      end ??= new Error("the engine was freed");
    },
  };
}
