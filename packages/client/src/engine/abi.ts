/**
 * The border to the engine in Rust: one record of numbers in the engine's memory, for what goes in and what comes out.
 *
 * `crates/client-wasm/src/record.rs` says what a number means, `shapes.ts` in which order they come.
 * The scenarios prove that both sides agree.
 */

import * as shapes from "./shapes.js";
import { createSymbols, type Meaning } from "./symbols.js";
import type { EngineConfig, EngineInput } from "./types.js";

/** What both builds of the engine export. A call returns 1 when it did what was asked, 0 when it refused. */
export interface Exports {
  readonly memory: { readonly buffer: ArrayBufferLike };
  record(): number;
  create(): number;
  handle(now: number): number;
  poll(): number;
  stats(): number;
  held(first: number): number;
}

/** How many numbers a record has. */
const SLOTS = 16;

type Fields = Record<string, unknown>;

/** What is in the record of one engine. What is written is judged by the engine, not here. */
export interface Records {
  writeConfig(seed: number, config: EngineConfig): void;
  writeInput(input: EngineInput): void;
  readOutput(): unknown;
  readStats(): Fields;
}

/** The records of the engine with these exports. */
export function createRecords(exports: Exports): Records {
  const symbols = createSymbols();
  let slots: Float64Array;
  let at: number;

  /** Goes to the beginning of the record. It is looked for each time, because a memory that grows moves. */
  const begin = () => {
    slots = new Float64Array(exports.memory.buffer, exports.record(), SLOTS);
    at = 0;
  };

  const write = (value: unknown) => {
    slots[at++] = typeof value === "number" ? value : symbols.toNumber(value as Meaning);
  };

  const writeFields = (names: readonly string[], from: Fields) => {
    for (const name of names) {
      const value = from[name];
      if (name === "channel") {
        const colon = (value as string).indexOf(":");
        write((value as string).slice(0, colon));
        write((value as string).slice(colon + 1));
      } else write(value);
    }
  };

  const writeMessage = (message: Fields) => {
    const last = shapes.messages.length - 1;
    const code = shapes.messages.findIndex(([type], index) => type === message["type"] || index === last);
    write(code);
    // Of what means nothing to the engine it is told nothing.
    write(code < last ? message["id"] : undefined);
    writeFields(shapes.messages[code]!.slice(1), { ...message, ...(message["limits"] as object) });
  };

  const read = () => {
    const number = slots[at++]!;
    return number < 0 ? symbols.toMeaning(number) : number;
  };

  const readFields = (names: readonly string[], into: Fields): Fields => {
    for (const name of names) {
      const value = name === "channel" ? `${read()}:${read()}` : name[0] === ">" ? readShape() : read();
      if (value !== undefined) into[name.replace(">", "")] = value;
    }
    return into;
  };

  const readShape = (): Fields => {
    const [type, ...names] = shapes.outputs[read() as number]!;
    return readFields(names, { type });
  };

  const held = () => {
    const numbers: number[] = [];
    for (let count; (count = exports.held(numbers.length)); ) {
      begin();
      numbers.push(...slots.subarray(0, count));
    }
    return numbers;
  };

  return {
    writeConfig(seed, config) {
      begin();
      write(seed);
      writeFields(shapes.config, config as unknown as Fields);
    },
    writeInput(input) {
      symbols.sweep(held);
      begin();
      const code = shapes.inputs.findIndex(([type]) => type === input.type);
      write(code);
      writeFields(shapes.inputs[code]?.slice(1) ?? [], input);
      if (input.type === "configure") writeFields(shapes.config, input.config as unknown as Fields);
      if (input.type === "inbound") writeMessage(input.message as unknown as Fields);
    },
    readOutput() {
      begin();
      return readShape();
    },
    readStats() {
      begin();
      return readFields(shapes.stats, {});
    },
  };
}
