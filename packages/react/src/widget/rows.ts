/** A conversation as a list of rows: days, the line above what is new, and messages in groups. */

import type { ConversationMessage } from "@cossistant/client";

/** One row of the list. */
export type Row =
  /** A new day, as its first message says it: RFC 3339. */
  | { readonly type: "day"; readonly key: string; readonly at: string }
  /** What follows is new. */
  | { readonly type: "new"; readonly key: string }
  /** A message; `isFirst` and `isLast` say where it stands among those that belong together. */
  | {
      readonly type: "message";
      readonly key: string;
      readonly message: ConversationMessage;
      readonly isFirst: boolean;
      readonly isLast: boolean;
    };

/** Messages of one sender belong together when no more than this lies between two of them, in ms. */
const TOGETHER = 5 * 60_000;

/** The rows of these messages. `firstNew` is the key of the first one that is new. Days are those of the reader. */
export function toRows(messages: readonly ConversationMessage[], firstNew?: string): Row[] {
  const rows: Row[] = [];
  messages.forEach((message, index) => {
    const before = messages[index - 1];
    const after = messages[index + 1];
    const { key, createdAt } = message;
    if (!before || dayOf(before.createdAt) !== dayOf(createdAt)) rows.push({ type: "day", key: `day ${key}`, at: createdAt });
    if (key === firstNew) rows.push({ type: "new", key: `new ${key}` });
    const isFirst = !before || key === firstNew || !areTogether(before, message);
    const isLast = !after || after.key === firstNew || !areTogether(message, after);
    rows.push({ type: "message", key, message, isFirst, isLast });
  });
  return rows;
}

/** The key of the last message of one's own that has this much behind it, for the marks of what was sent and read. */
export function lastOwn(messages: readonly ConversationMessage[], fits: (message: ConversationMessage) => boolean): string | undefined {
  return messages.filter((message) => message.isOwn && !message.isDeleted && fits(message)).at(-1)?.key;
}

/** Whether a person has been asked for and none has answered since. */
export function isPersonAwaited(messages: readonly ConversationMessage[]): boolean {
  const asked = messages.map((message) => message.isOwn && message.metadata?.["intent"] === "person").lastIndexOf(true);
  return asked >= 0 && !messages.slice(asked).some(({ senderType }) => senderType === "user");
}

/** A day for people: "Today", "Yesterday", the weekday, or the date. */
export function dayText(at: string, now: number, language: string): string {
  const day = new Date(at);
  const distance = Math.round((startOfDay(day) - startOfDay(new Date(now))) / 86_400_000);
  const text =
    distance <= 0 && distance > -2
      ? new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(distance, "day")
      : new Intl.DateTimeFormat(language, {
          weekday: "long",
          ...(distance <= -7 && { day: "numeric", month: "long" }),
          ...(distance <= -300 && { year: "numeric" }),
        }).format(day);
  return text.charAt(0).toLocaleUpperCase(language) + text.slice(1);
}

/** What writes times of day, and in which language: making one takes longer than a hundred times it writes. */
let times: { readonly language: string; readonly format: Intl.DateTimeFormat } | undefined;

/** A time of day for people. */
export function timeText(at: string, language: string): string {
  if (times?.language !== language) times = { language, format: new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" }) };
  return times.format.format(new Date(at));
}

function areTogether(one: ConversationMessage, next: ConversationMessage): boolean {
  const isSameSender = one.senderId === next.senderId && one.senderType === next.senderType;
  const isSoon = Date.parse(next.createdAt) - Date.parse(one.createdAt) <= TOGETHER;
  return isSameSender && isSoon && dayOf(one.createdAt) === dayOf(next.createdAt);
}

function startOfDay(date: Date): number {
  // As if it were UTC: days with a change of the clock have other lengths.
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}

function dayOf(at: string): number {
  return startOfDay(new Date(at));
}
