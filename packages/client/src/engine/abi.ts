/**
 * The border to the engine in Rust: records of numbers and texts in two buffers of the engine's memory.
 *
 * `crates/client-wasm/src/record.rs` says how a record looks, `input.rs` and `output.rs` beside it in which
 * order the fields come and which codes stand for what. The scenarios prove that both sides agree.
 */

/** What both builds of the engine export. */
export interface Exports {
  readonly memory: { readonly buffer: ArrayBufferLike };
  input(length: number): number;
  output(): number;
  create(length: number): number;
  free(engine: number): void;
  handle(engine: number, length: number, now: number): number;
  stats(engine: number): number;
}

/** A value of a record: a flag is 0 or 1, and what may be missing has a flag before it. */
export type Field = number | string;

/** The fields of something that may be missing. */
export function optional(value: Field | undefined): Field[] {
  return value === undefined ? [0] : [1, value];
}

const encoder = new TextEncoder();
// Without the option a text that begins with U+FEFF would lose it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What `handle`, `create` and `stats` return when they refuse; -1 is an engine that was freed. */
export const MALFORMED = -2;
export const NO_ROOM = -3;

/** Writes a record into the engine's input buffer; gives its length in bytes, or `NO_ROOM`. */
export function writeRecord(exports: Exports, fields: readonly Field[]): number {
  let room = 0;
  for (const field of fields) room += typeof field === "string" ? 4 + field.length * 3 : 8;
  const start = exports.input(room);
  if (start === 0) return NO_ROOM;
  // Made anew each time: asking for room may have moved the memory.
  const view = new DataView(exports.memory.buffer, start, room);
  let at = 0;
  for (const field of fields) {
    if (typeof field === "string") {
      const { written } = encoder.encodeInto(field, new Uint8Array(view.buffer, start + at + 4, room - at - 4));
      view.setUint32(at, written, true);
      at += 4 + written;
    } else {
      view.setFloat64(at, field, true);
      at += 8;
    }
  }
  return at;
}

/** Takes a record of the engine's apart, field by field. */
export class RecordReader {
  private readonly view: DataView;
  private at = 0;

  constructor(exports: Exports, length: number) {
    this.view = new DataView(exports.memory.buffer, exports.output(), length);
  }

  get isDone(): boolean {
    return this.at >= this.view.byteLength;
  }

  number(): number {
    const number = this.view.getFloat64(this.at, true);
    this.at += 8;
    return number;
  }

  flag(): boolean {
    return this.number() === 1;
  }

  text(): string {
    const length = this.view.getUint32(this.at, true);
    const text = decoder.decode(new Uint8Array(this.view.buffer, this.view.byteOffset + this.at + 4, length));
    this.at += 4 + length;
    return text;
  }

  /** One of these, by its code. */
  choice<T>(choices: readonly T[]): T {
    const choice = choices[this.number()];
    if (choice === undefined) throw new RangeError("the engine gave an unknown code");
    return choice;
  }
}
