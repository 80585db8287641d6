/** A conversation from top to bottom: days, events, the line above what is new, and messages in groups. */

import type { ConversationMessage } from "@cossistant/react/websocket";

import type { ThreadEvent } from "./events.js";
import { canBeNew } from "./unread.js";

/** One thing in the timeline. */
export type Item =
  | { readonly type: "day"; readonly key: string; readonly at: string }
  | { readonly type: "unread"; readonly key: string }
  | { readonly type: "event"; readonly key: string; readonly event: ThreadEvent }
  /** `isFirst` and `isLast` say where it stands among those that belong together. */
  | {
      readonly type: "message";
      readonly key: string;
      readonly message: ConversationMessage;
      readonly isFirst: boolean;
      readonly isLast: boolean;
    };

/** The key of the line above what is new. */
export const UNREAD = "unread";

/** Messages of one person belong together when no more than this lies between two of them, in ms. */
const TOGETHER = 5 * 60_000;

/**
 * The items of these messages and events. The line stands above the first message of others from `unreadFrom` on. Events from
 * before the oldest message that is loaded are left out: they come with theirs. Days are those of the reader.
 */
export function layout(
  messages: readonly ConversationMessage[],
  events: readonly ThreadEvent[],
  unreadFrom: number | undefined,
): Item[] {
  const items: Item[] = [];
  const first = messages[0]?.seq ?? 0;
  const left = events.filter(({ seq }) => seq > first);
  let day: string | undefined;
  let before: ConversationMessage | undefined;
  let isUnreadMarked = unreadFrom === undefined;

  const begin = (at: string): void => {
    const next = dayOf(at);
    if (next === day) return;
    day = next;
    before = undefined;
    items.push({ type: "day", key: `day ${next}`, at });
  };
  const tell = (until: number): void => {
    for (let event = left[0]; event && event.seq < until; event = left[0]) {
      left.shift();
      begin(event.at);
      before = undefined;
      items.push({ type: "event", key: `event ${event.seq}`, event });
    }
  };

  for (const message of messages) {
    // What is not stored yet stands behind all that is.
    tell(message.seq ?? Infinity);
    begin(message.createdAt);
    if (!isUnreadMarked && (message.seq ?? 0) >= (unreadFrom ?? 0) && canBeNew(message)) {
      isUnreadMarked = true;
      before = undefined;
      items.push({ type: "unread", key: UNREAD });
    }
    const isFirst = !before || !areTogether(before, message);
    if (!isFirst) continueGroup(items);
    items.push({ type: "message", key: message.key, message, isFirst, isLast: true });
    before = message;
  }
  tell(Infinity);
  return items;
}

/** The last message is not the last of its group any more. */
function continueGroup(items: Item[]): void {
  const last = items.at(-1);
  if (last?.type === "message") items[items.length - 1] = { ...last, isLast: false };
}

function areTogether(one: ConversationMessage, next: ConversationMessage): boolean {
  return (
    one.senderId === next.senderId &&
    one.senderType === next.senderType &&
    one.visibility === next.visibility &&
    Date.parse(next.createdAt) - Date.parse(one.createdAt) <= TOGETHER
  );
}

function dayOf(at: string): string {
  return new Date(at).toDateString();
}
