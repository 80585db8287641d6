/** Who is doing what in a conversation: lists of people that keep their identity while nothing changes. */

import type { ConversationSeen, SeenState, ServerMessages, TypingState, UserType } from "@cossistant/protocol/types";

import type { Typist } from "./types.js";

interface Person {
  readonly userId: string;
  readonly userType?: UserType;
}

/**
 * Whether two are the same person. A conversation has one visitor only, whose id changes when it is found out who that
 * is.
 */
export function isSamePerson(a: Person, b: Person): boolean {
  return a.userType === b.userType && (a.userId === b.userId || a.userType === "visitor");
}

/** The list with this person as told, at the old place. */
export function withPerson<State extends Person>(list: readonly State[], person: State): readonly State[] {
  const at = list.findIndex((other) => isSamePerson(other, person));
  const old = list[at];
  if (old && isEqual(old, person)) return list;
  return Object.freeze(at < 0 ? [...list, Object.freeze(person)] : list.map((other, i) => (i === at ? Object.freeze(person) : other)));
}

/** The list without this person. */
export function withoutPerson<State extends Person>(list: readonly State[], person: Person): readonly State[] {
  const rest = list.filter((other) => !isSamePerson(other, person));
  return rest.length === list.length ? list : Object.freeze(rest);
}

/** The new value, or the old one if it says the same. */
export function kept<Value>(old: Value, next: Value): Value {
  return isEqual(old, next) ? old : Object.freeze(next);
}

/** Whether two values from the wire say the same. Their fields come in one order. */
export function isEqual(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Who types after an event. `isLive` is false of an event that is replayed: what was said then ends no typing now. */
export function reduceTyping(list: readonly Typist[], event: ServerMessages, isLive: boolean): readonly Typist[] {
  switch (event.type) {
    case "typing_indicator": {
      if (!event.isTyping) return withoutPerson(list, event);
      const text = list.find((typist) => isSamePerson(typist, event))?.text;
      return withPerson(list, typist(event, text));
    }
    case "typing_progress":
      return withPerson(list, typist(event, event.content));
    case "new_message":
      return isLive ? withoutPerson(list, { userId: event.senderId, userType: event.senderType }) : list;
    default:
      return list;
  }
}

/** The marks after somebody has read further. */
export function reduceSeen(list: readonly SeenState[], event: ConversationSeen): readonly SeenState[] {
  const old = list.find((mark) => isSamePerson(mark, event));
  if (old && old.lastSeenSeq > event.lastSeenSeq) return list;
  return withPerson(list, { ...named(event), userType: event.userType, lastSeenSeq: event.lastSeenSeq });
}

function typist(person: TypingState, text: string | undefined): Typist {
  return { ...named(person), userType: person.userType, ...(text !== undefined && { text }) };
}

/** What is told of a person beside the event itself. */
export function named({ userId, userName, avatarUrl }: { userId: string; userName?: string; avatarUrl?: string }): {
  userId: string;
  userName?: string;
  avatarUrl?: string;
} {
  return { userId, ...(userName !== undefined && { userName }), ...(avatarUrl !== undefined && { avatarUrl }) };
}
