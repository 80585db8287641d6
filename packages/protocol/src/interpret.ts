/** Judges values by the table of rules in `validate.ts`. */

import { fault, isObject, keysFault, metadataFault, nonEmptyFault, textFault, under, type Fault } from "./rules.js";

/** Rules by field name. */
export type Fields = { readonly [name: string]: Rule };

/** A rule: its kind, then what the kind needs. */
export type Rule =
  /** A text; see `textFault`. */
  | readonly [0, min?: number, max?: number, pattern?: RegExp, calendar?: boolean]
  /** A whole number from 0 to 2^53 − 1. */
  | readonly [1]
  /** True or false. */
  | readonly [2]
  /** One of these texts. */
  | readonly [3, readonly string[]]
  /** A list. */
  | readonly [4, item: Rule, max?: number]
  /** An object. */
  | readonly [5, required: Fields, optional?: Fields, anyNonEmpty?: readonly string[]]
  /** An object of free form; see `metadataFault`. */
  | readonly [6, maxBytes?: number, maxDepth?: number]
  /** Null, or as the rule says. */
  | readonly [7, Rule]
  /** As one of two rules says. */
  | readonly [8, Rule, Rule];

/** A message, or why it is none. */
export type Judged<Message> =
  | { ok: true; message: Message }
  | { ok: false; code: "unknown_type" | "invalid_message"; fault: Fault };

/** What is wrong with a value; nothing, when it is as the rule says. */
export function judge(rule: Rule, value: unknown): Fault | undefined {
  switch (rule[0]) {
    case 0:
      return typeof value === "string"
        ? textFault(value, rule[1], rule[2], rule[3], rule[4])
        : fault("must be a string");
    case 1:
      return Number.isSafeInteger(value) && (value as number) >= 0
        ? undefined
        : fault("must be a whole number from 0 to 2^53-1");
    case 2:
      return typeof value === "boolean" ? undefined : fault("must be a boolean");
    case 3:
      return rule[1].includes(value as string) ? undefined : fault(`must be one of ${rule[1].join(" ")}`);
    case 4:
      return judgeList(value, rule[1], rule[2]);
    case 5:
      return judgeObject(value, rule[1], rule[2], rule[3]);
    case 6:
      if (!isObject(value)) return fault("must be an object");
      return rule[1] === undefined ? undefined : metadataFault(value, rule[1], rule[2] ?? 0);
    case 7:
      return value === null ? undefined : judge(rule[1], value);
    case 8: {
      const first = judge(rule[1], value);
      // The fault of the second is told: it is the one with a path.
      return first && judge(rule[2], value);
    }
  }
}

function judgeList(value: unknown, item: Rule, max = Infinity): Fault | undefined {
  if (!Array.isArray(value)) return fault("must be a list");
  for (const [at, inner] of value.entries()) {
    const problem = judge(item, inner);
    if (problem) return under(at, problem);
  }
  return value.length > max ? fault(`must have at most ${max} entries`) : undefined;
}

function judgeObject(
  value: unknown,
  required: Fields,
  optional: Fields = {},
  anyNonEmpty?: readonly string[],
): Fault | undefined {
  if (!isObject(value)) return fault("must be an object");
  for (const fields of [required, optional]) {
    for (const name in fields) {
      const rule = fields[name];
      const inner = value[name];
      // A field that need not be there may be `null` as well.
      if ((inner === undefined || inner === null) && fields === optional) continue;
      const problem = inner === undefined ? fault("is required") : rule && judge(rule, inner);
      if (problem) return under(name, problem);
    }
  }
  return keysFault(value) ?? (anyNonEmpty && nonEmptyFault(value, anyNonEmpty));
}

/** Judges a message by the rule of its `type`, and by the one of all messages. */
export function judgeMessage<Message>(rules: Fields, head: Rule, value: unknown): Judged<Message> {
  const invalid = (problem: Fault): Judged<Message> => ({ ok: false, code: "invalid_message", fault: problem });
  if (!isObject(value)) return invalid(fault("must be an object"));
  const { type } = value;
  if (typeof type !== "string") return invalid(under("type", fault("must be a string")));
  const rule = Object.hasOwn(rules, type) ? rules[type] : undefined;
  if (!rule) return { ok: false, code: "unknown_type", fault: under("type", fault("is unknown")) };
  const problem = judge(head, value) ?? judge(rule, value);
  // The rules of its type have been checked, so it is one of the messages.
  return problem ? invalid(problem) : { ok: true, message: value as Message };
}
