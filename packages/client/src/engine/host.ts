/** Engines on the exports of one build. */

import { MALFORMED, NO_ROOM, RecordReader, writeRecord, type Exports, type Field } from "./abi.js";
import { decodeOutput, decodeStats } from "./decode.js";
import { encodeConfig, encodeInput } from "./encode.js";
import type {
  Engine,
  EngineConfig,
  EngineFactory,
  EngineInput,
  EngineOutput,
  EngineState,
  EngineStats,
  EngineVariant,
} from "./types.js";

/**
 * The engine failed, which is a fault of ours. All engines of its factory are unusable; `loadEngine` gives
 * another factory.
 */
export class EngineTrap extends Error {
  constructor(cause: unknown) {
    super("the engine failed", { cause });
    this.name = "EngineTrap";
  }
}

/** The exports, and whether they can still be called. */
class Host implements EngineFactory {
  private trap: EngineTrap | undefined;

  constructor(
    readonly variant: EngineVariant,
    readonly exports: Exports,
    private readonly trapped: () => void,
  ) {}

  get isTrapped(): boolean {
    return this.trap !== undefined;
  }

  create(config: EngineConfig, seed: number): Engine {
    const engine = this.call([seed, ...encodeConfig(config)], (length) => this.exports.create(length));
    return new HostedEngine(this, engine);
  }

  /** Makes a call that takes a record; gives what it returns unless that is an error. */
  call(fields: readonly Field[], call: (length: number) => number): number {
    return this.guard(() => check(call(check(writeRecord(this.exports, fields)))));
  }

  /** Runs calls; one that fails in the engine is the last. */
  guard<T>(run: () => T): T {
    if (this.trap) throw this.trap;
    try {
      return run();
    } catch (error) {
      if (error instanceof Refusal) throw error.reason;
      this.trap = new EngineTrap(error);
      this.trapped();
      throw this.trap;
    }
  }
}

/** A call was refused by the engine, which is sound. */
class Refusal {
  constructor(readonly reason: Error) {}
}

function check(result: number): number {
  if (result >= 0) return result;
  if (result === MALFORMED) throw new Refusal(new TypeError("the engine was given what it cannot take"));
  throw new Refusal(new Error(result === NO_ROOM ? "the engine has no room for this" : "the engine was freed"));
}

class HostedEngine implements Engine {
  state: EngineState = { type: "disconnected" };
  queuedMessageCount = 0;
  private wakeAt = -1;

  constructor(
    private readonly host: Host,
    private readonly engine: number,
  ) {}

  handle(input: EngineInput, now: number): readonly EngineOutput[] {
    const { host } = this;
    const length = host.call(encodeInput(input), (length) => host.exports.handle(this.engine, length, now));
    return host.guard(() => {
      const reader = new RecordReader(host.exports, length);
      this.wakeAt = reader.number();
      this.queuedMessageCount = reader.number();
      const outputs: EngineOutput[] = [];
      while (!reader.isDone) {
        const output = decodeOutput(reader);
        if (output.type === "stateChanged") this.state = output.state;
        outputs.push(output);
      }
      return outputs;
    });
  }

  pollTimeout(): number | undefined {
    return this.wakeAt < 0 ? undefined : this.wakeAt;
  }

  get stats(): EngineStats {
    const { host } = this;
    return host.guard(() => decodeStats(new RecordReader(host.exports, check(host.exports.stats(this.engine)))));
  }

  free(): void {
    if (!this.host.isTrapped) this.host.guard(() => this.host.exports.free(this.engine));
  }
}

/** A factory on these exports. `trapped` is called when they have become unusable. */
export function makeFactory(variant: EngineVariant, exports: Exports, trapped: () => void): EngineFactory {
  return new Host(variant, exports, trapped);
}
