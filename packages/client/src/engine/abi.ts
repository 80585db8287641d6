/**
 * The border to the engine in Rust: one record of numbers in the engine's memory, for what goes in and what comes out.
 *
 * `crates/client-wasm/src/record.rs` says what a number means, `shapes.ts` in which order they come.
 * The scenarios prove that both sides agree.
 */

import { config, inputs, limits, messages, outputs, type Shape } from "./shapes.js";
import { createSymbols, type Meaning } from "./symbols.js";

/** What both builds of the engine export. A call returns 1 when it did what was asked, 0 when it refused. */
export interface Exports {
  readonly memory: { readonly buffer: ArrayBufferLike };
  record(): number;
  create(): number;
  handle(now: number): number;
  poll(): number;
  held(first: number): number;
}

/** How many numbers a record has. */
const SLOTS = 16;

export type Fields = Record<string, unknown>;

/** What is in the record of one engine. What is written is judged by the engine, not here. */
export interface Records {
  writeConfig(seed: number, values: object): void;
  writeInput(input: object): void;
  readOutput(): Fields;
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

  const writeFields = (names: Shape, from: object) => {
    for (const name of names) {
      const value = (from as Fields)[name];
      // A text without a colon has one part, and what is missing is of no kind.
      if (name === "channel") {
        const [kind, id] = (value as string).split(/:(.*)/s);
        write(kind);
        write(id);
      } else if (name === "message") writeShape(messages, value as Fields);
      else if (name === "config") writeFields(config, value as Fields);
      else if (name === "limits") writeFields(limits, value as Fields);
      else write(value);
    }
  };

  /** What is of no shape has the code behind the last one, and no fields. */
  const writeShape = (shapes: readonly Shape[], from: Fields) => {
    const index = shapes.findIndex(([type]) => type === from["type"]);
    write(index < 0 ? shapes.length : index);
    writeFields(shapes[index]?.slice(1) ?? [], from);
  };

  const read = () => {
    const number = slots[at++]!;
    return number < 0 ? symbols.toMeaning(number) : number;
  };

  const readFields = (names: Shape, into: Fields): Fields => {
    for (const name of names) {
      const value = name === "channel" ? `${read()}:${read()}` : name[0] === ">" ? readShape() : read();
      if (value !== undefined) into[name.replace(">", "")] = value;
    }
    return into;
  };

  const readShape = (): Fields => {
    const [type, ...names] = outputs[read() as number]!;
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
    writeConfig(seed, values) {
      begin();
      write(seed);
      writeFields(config, values);
    },
    writeInput(input) {
      symbols.sweep(held);
      begin();
      writeShape(inputs, input as Fields);
    },
    readOutput() {
      begin();
      return readShape();
    },
  };
}
