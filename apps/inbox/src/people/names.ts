/** What people are called, and how they look where they have no picture. */

/** A name that says something, for somebody who has given none. */
export function visitorName(visitor: { name?: string; email?: string } | undefined, visitorId: string): string {
  return visible(visitor?.name) ?? visible(visitor?.email) ?? `Visitor ${tailOf(visitorId)}`;
}

/** Letters and signs that are drawn as nothing. */
const BLANK = /[\u115f\u1160\u2800\u3164\uffa0]/g;

/** A name without the space around it; undefined if there is nothing to see, such as marks of direction alone. */
function visible(name = ""): string | undefined {
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(name.replace(BLANK, "")) ? name.trim() : undefined;
}

/** The last characters of an id: enough to tell two of them apart. */
function tailOf(id: string): string {
  return id.replace(/[^A-Za-z0-9]/g, "").slice(-4).toLowerCase() || "?";
}

/** One or two letters for a name; of the name of an unknown visitor those of the id, which tell one from another. */
export function initials(name: string): string {
  const [, tail] = /^Visitor ([a-z0-9]{2})[a-z0-9]{0,2}$/.exec(name) ?? [];
  if (tail) return tail.toUpperCase();
  const words = name.split(/[\s._@-]+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const [first, last] = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return [first, last].map((word) => (word === undefined ? "" : (Array.from(word)[0] ?? ""))).join("").toUpperCase() || "?";
}

/** A hue for an id, in degrees: the same one everywhere. */
export function hueOf(id: string): number {
  let hash = 2166136261;
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % 360;
}

/** "Ada", "Ada and Grace", "Ada, Grace and 2 more". */
export function listed(names: readonly string[]): string {
  const [first = "", second = "", ...more] = names;
  if (names.length < 2) return first;
  if (more.length === 0) return `${first} and ${second}`;
  return `${first}, ${second} and ${more.length} more`;
}
