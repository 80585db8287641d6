/** Judges values by the tables in `validate.ts`. */

import { isHalf, isObject, isTime, NOT_TEXT, type Fault } from "./rules.js";

/**
 * What names of kinds stand for: the form of a text, a judge, or an object.
 *
 * An object is written as its fields, `name:kind`, or `name?kind` where it may be missing. A field without a kind is of
 * the kind of its name; without a name the kind is that of the object itself. A kind may be a list, `kind[]`, of at
 * most so many entries, `kind[10]`, and be one of several, `null|kind`.
 */
export type Kinds = { readonly [name: string]: string | RegExp | ((value: unknown) => Fault | undefined) };

/** What one side may say: the fields of each message by its `type`, and the kinds that these are of. */
export interface Grammar {
  readonly messages: { readonly [type: string]: string };
  readonly kinds: Kinds;
}

/** A message, or why it is none. */
export type Judged<Message> =
  | { ok: true; message: Message }
  | { ok: false; code: "unknown_type" | "invalid_message"; fault: Fault };

/** Kinds that need no table. */
const BASIC: { readonly [name: string]: (value: unknown) => boolean } = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  integer: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  text: (value) => typeof value === "string" && !isHalf(value),
  time: (value) => typeof value === "string" && isTime(value),
  object: isObject,
};

/** What is wrong with a value at `path`; nothing, when it is of one of these kinds. */
export function judge(kinds: Kinds, kind: string, value: unknown, path = ""): Fault | undefined {
  let problem: Fault | undefined;
  for (const one of kind.split("|")) {
    problem = judgeOne(kinds, one, value, path);
    if (!problem) break;
  }
  // The fault of the last is told: it is the one with a path.
  return problem;
}

function judgeOne(kinds: Kinds, kind: string, value: unknown, path: string): Fault | undefined {
  const [item = "", max] = kind.split(/[[\]]/);
  const known = kinds[kind];
  let isOfKind: boolean | undefined;
  if (max !== undefined) {
    if (Array.isArray(value)) {
      for (const [at, inner] of value.entries()) {
        const problem = judge(kinds, item, inner, join(path, at));
        if (problem) return problem;
      }
      isOfKind = !max || value.length <= Number(max);
    }
  } else if (typeof known === "string") return judgeFields(kinds, known, value, path);
  else if (typeof known === "function") {
    const problem = known(value);
    return problem && { ...problem, path: join(path, problem.path) };
  } else isOfKind = known ? typeof value === "string" && known.test(value) : BASIC[kind]?.(value);
  return isOfKind ? undefined : { path, reason: `must be ${kind}` };
}

function judgeFields(kinds: Kinds, fields: string, value: unknown, path: string): Fault | undefined {
  if (!isObject(value)) return { path, reason: "must be an object" };
  for (const field of fields.split(" ")) {
    const [name = "", kind] = field.split(/[:?]/);
    const inner = name ? value[name] : value;
    // A field that need not be there may be `null` as well.
    if ((inner === undefined || inner === null) && field.includes("?")) continue;
    const problem = judge(kinds, kind || name, inner, join(path, name));
    if (problem) return problem;
  }
  // Field names are texts as well, the unknown ones too.
  return Object.keys(value).some(isHalf) ? { path, reason: NOT_TEXT } : undefined;
}

function join(path: string, key: string | number): string {
  return path && key !== "" ? `${path}.${key}` : `${path}${key}`;
}

/** Judges a message by what its `type` and all messages have to be. */
export function judgeMessage<Message>({ messages, kinds }: Grammar, value: unknown): Judged<Message> {
  const invalid = (fault: Fault): Judged<Message> => ({ ok: false, code: "invalid_message", fault });
  const type = isObject(value) && value.type;
  if (typeof type !== "string") return invalid({ path: isObject(value) ? "type" : "", reason: "must be a message" });
  const fields = Object.hasOwn(messages, type) ? messages[type] : undefined;
  if (fields === undefined) return { ok: false, code: "unknown_type", fault: { path: "type", reason: "is unknown" } };
  const fault = judgeFields(kinds, `id?requestId timestamp?integer${fields && ` ${fields}`}`, value, "");
  // The rules of its type have been checked, so it is one of the messages.
  return fault ? invalid(fault) : { ok: true, message: value as Message };
}
