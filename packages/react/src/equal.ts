/** When two values say the same. */

/** Whether two values are the same, or lists or plain objects with the same fields. */
export function isShallowEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (!isPlain(one) || !isPlain(other) || Array.isArray(one) !== Array.isArray(other)) return false;
  return Object.keys({ ...one, ...other }).every((name) => Object.is(one[name], other[name]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return Array.isArray(value) || Object(value).constructor === Object;
}
