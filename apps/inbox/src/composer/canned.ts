/** Replies that are said again and again: kept in this browser, found by a slash and the beginning of their name. */

import { createKept, isRecord } from "../kept.js";

/** One of them. `{name}` in its text is the visitor's name. */
export interface CannedReply {
  readonly id: string;
  /** What one types behind the slash; without spaces. */
  readonly name: string;
  readonly text: string;
}

/** How many are kept. */
export const CANNED_MAX = 200;

const FIRST: readonly CannedReply[] = [
  { id: "hello", name: "hello", text: "Hi {name}, thanks for writing! How can I help?" },
  { id: "moment", name: "moment", text: "Let me look into this. I will be back in a moment." },
  { id: "thanks", name: "thanks", text: "You are welcome, {name}. Have a good day!" },
];

/** All of them, in the order of their names. */
export const cannedReplies = createKept<readonly CannedReply[]>("canned", (stored) => {
  if (!Array.isArray(stored)) return FIRST;
  return stored.flatMap((reply: unknown) => {
    if (!isRecord(reply)) return [];
    const { id, name, text } = reply;
    return typeof id === "string" && typeof name === "string" && typeof text === "string" ? [{ id, name, text }] : [];
  });
});

/** Keeps a reply, in place of the one with its id. */
export function keepCanned(reply: CannedReply): void {
  cannedReplies.set((old) =>
    [...old.filter(({ id }) => id !== reply.id), reply].sort((a, b) => a.name.localeCompare(b.name)).slice(0, CANNED_MAX),
  );
}

/** Forgets a reply. */
export function dropCanned(id: string): void {
  cannedReplies.set((old) => old.filter((reply) => reply.id !== id));
}

/** A name as it can be typed behind a slash. */
export function cannedName(text: string): string {
  return text.trim().replace(/^\/+/, "").replace(/\s+/g, "-").toLowerCase().slice(0, 40);
}

/** What stands between a slash and the cursor; undefined where no canned reply is being called for. */
export function cannedAt(text: string, cursor: number): string | undefined {
  return /(?:^|\s)\/([^\s/]{0,40})$/.exec(text.slice(0, cursor))?.[1];
}

/** The replies that a beginning may mean: first those whose name begins with it, then those that have it anywhere. */
export function matching(replies: readonly CannedReply[], beginning: string): readonly CannedReply[] {
  const wanted = beginning.toLowerCase();
  const named = replies.filter(({ name }) => name.toLowerCase().startsWith(wanted));
  const others = replies.filter((reply) => !named.includes(reply) && `${reply.name} ${reply.text}`.toLowerCase().includes(wanted));
  return [...named, ...others].slice(0, 8);
}

/** The text with a reply in place of what called for it, and where the cursor is then. */
export function withCanned(text: string, cursor: number, reply: CannedReply, visitor: string): { text: string; cursor: number } {
  const before = text.slice(0, cursor).replace(/\/[^\s/]{0,40}$/, "");
  const said = reply.text.replaceAll("{name}", () => visitor);
  return { text: before + said + text.slice(cursor), cursor: before.length + said.length };
}
