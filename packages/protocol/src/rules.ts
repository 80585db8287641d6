/** The rules that neither Zod nor a table has words for. Both sets of validators share them. */

/** What is wrong, and where: field names and indexes joined by dots, empty for the whole. */
export interface Fault {
  path: string;
  reason: string;
}

/** The same fault, seen from one level further out. */
export function under(key: string | number, fault: Fault): Fault {
  return { path: fault.path === "" ? `${key}` : `${key}.${fault.path}`, reason: fault.reason };
}

export function fault(reason: string): Fault {
  return { path: "", reason };
}

/** What is wrong with a string that is no text. */
export const NOT_TEXT = "must not contain half a character";

/** Half of a surrogate pair: what a JavaScript string can hold and a text cannot. */
const loneSurrogate = /\p{Surrogate}/u;
const surrogatePairs = /[\ud800-\udbff][\udc00-\udfff]/g;

/** Whether a string is no text. */
export function isHalf(text: string): boolean {
  return loneSurrogate.test(text);
}

/** How many Unicode scalar values a text has. */
function scalarLength(text: string): number {
  return text.length - (text.match(surrogatePairs)?.length ?? 0);
}

/**
 * Checks a text. Without `max` any text will do; with it, U+0000 is refused too. `calendar` asks for a time from 1970
 * on that the calendar has.
 */
export function textFault(
  text: string,
  min = 0,
  max?: number,
  pattern?: RegExp,
  calendar?: boolean,
): Fault | undefined {
  if (isHalf(text)) return fault(NOT_TEXT);
  if (max !== undefined) {
    if (text.includes("\0")) return fault("must not contain U+0000");
    // A text of few units cannot have too many characters, so most texts are never counted.
    if (text.length > max && scalarLength(text) > max) return fault(`must have at most ${max} characters`);
  }
  if (text.length < min) return fault(`must have at least ${min} characters`);
  if (pattern && !pattern.test(text)) return fault("has a wrong form");
  if (calendar && !isTime(text)) return fault("must be a time that the calendar has");
  return undefined;
}

/** Whether a text is a time from 1970 on that the calendar has, as it is written on the wire. */
export function isTime(text: string): boolean {
  const time = Date.parse(text);
  // Years of more than four digits are written longer.
  return time >= 0 && text.length === 24 && new Date(time).toISOString() === text;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Field names are texts as well, the unknown ones too. */
export function keysFault(value: object): Fault | undefined {
  return Object.keys(value).some(isHalf) ? fault(NOT_TEXT) : undefined;
}

/** At least one of the fields is there and not empty. */
export function nonEmptyFault(value: unknown, names: readonly string[]): Fault | undefined {
  const isThere = (name: string) => {
    const field = isObject(value) && value[name];
    return (typeof field === "string" || Array.isArray(field)) && field.length > 0;
  };
  return names.some(isThere) ? undefined : fault(`must have one of ${names.join(", ")}`);
}

/** Checks an object of free form: how deep it nests, how many bytes it takes as JSON, no U+0000 in it. */
export function metadataFault(value: unknown, maxBytes: number, maxDepth: number): Fault | undefined {
  if (!isObject(value)) return fault("must be an object");
  const tooDeep = fault(`must nest at most ${maxDepth} levels deep`);
  const inside = (inner: unknown, levels: number): Fault | undefined => {
    if (typeof inner === "string") return textFault(inner, 0, Infinity);
    if (typeof inner === "number") return Number.isFinite(inner) ? undefined : fault("must be a finite number");
    if (inner === null || inner === undefined || typeof inner === "boolean") return undefined;
    if (typeof inner !== "object") return fault("must be JSON");
    if (levels === 0) return tooDeep;
    for (const [key, item] of Object.entries(inner)) {
      const problem = textFault(key, 0, Infinity) ?? inside(item, levels - 1);
      if (problem) return problem === tooDeep ? tooDeep : under(key.replaceAll("\0", "\ufffd"), problem);
    }
    return undefined;
  };
  const problem = inside(value, maxDepth);
  if (problem) return problem;
  const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
  return bytes > maxBytes ? fault(`must have at most ${maxBytes} bytes as JSON`) : undefined;
}
