/** An engine on the exports of one instance of a build. */

import { createRecords, type Exports } from "./abi.js";
import type { Engine, EngineConfig, EngineInput, EngineOutput, EngineState, EngineStats } from "./types.js";

/** The engine failed, which is a fault of ours. It is unusable; others are not concerned. */
export class EngineTrap extends Error {
  constructor(cause: unknown) {
    super("the engine failed", { cause });
    this.name = "EngineTrap";
  }
}

/** Makes the engine of an instance. */
export function createEngine(exports: Exports, config: EngineConfig, seed: number): Engine {
  const records = createRecords(exports);
  let state: EngineState = { type: "disconnected" };
  let idle: { timeout?: number; queued: number } = { queued: 0 };
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

  records.writeConfig(seed, config);
  take(exports.create);

  return {
    handle(input: EngineInput, now: number) {
      if (end) throw end;
      records.writeInput(input);
      take(() => exports.handle(now));
      return guard(() => {
        const outputs: EngineOutput[] = [];
        for (;;) {
          exports.poll();
          const output = records.readOutput() as unknown as EngineOutput | ({ type: "idle" } & typeof idle);
          if (output.type === "idle") {
            idle = output;
            return outputs;
          }
          if (output.type === "stateChanged") state = output.state;
          outputs.push(output);
        }
      });
    },
    pollTimeout: () => idle.timeout,
    get state() {
      return state;
    },
    get queuedMessageCount() {
      return idle.queued;
    },
    get stats() {
      return guard(() => {
        exports.stats();
        const stats = records.readStats();
        // The number of an error is a close code.
        if (typeof stats["lastError"] === "number") stats["lastError"] = `close ${stats["lastError"]}`;
        return stats as unknown as EngineStats;
      });
    },
    free() {
      end ??= new Error("the engine was freed");
    },
  };
}
