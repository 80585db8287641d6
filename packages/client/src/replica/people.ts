/** Who is doing what in a conversation: lists of people that keep their identity while nothing changes. */

import type { SeenState, ServerMessages, UserType } from "@cossistant/protocol/types";

import type { InboxConversation, Typist } from "./types.js";

interface Person {
  readonly userId: string;
  readonly userType?: UserType;
}

type Told = Extract<
  ServerMessages,
  { type: "typing_indicator" | "typing_progress" | "conversation_seen" | "viewing_indicator" | "agent_activity" }
>;

/** What events say of a conversation under the names that it has there. */
const FACTS = ["visitorId", "status", "assignedTeamMemberId"] as const;

/** What an event says of its conversation itself. */
export function factsIn(event: ServerMessages): Partial<Pick<InboxConversation, (typeof FACTS)[number]>> {
  return Object.fromEntries(FACTS.filter((name) => name in event).map((name) => [name, event[name as never]]));
}

/** What an event says of the person whom it is about. */
export function personIn<Event extends Told>(event: Event) {
  const { type, conversationId, websiteId, organizationId, id, timestamp, ...person } = event;
  return person;
}

/**
 * Whether two are the same person. A conversation has one visitor only, whose id changes when it is found out who that
 * is.
 */
function isSame(a: Person, b: Person): boolean {
  return a.userType === b.userType && (a.userId === b.userId || a.userType === "visitor");
}

/** The list with this person as told, at the old place. */
export function withPerson<State extends Person>(list: readonly State[], person: State): readonly State[] {
  const others = list.map((other) => (isSame(other, person) ? person : other));
  return kept(list, others.includes(person) ? others : [...list, person]);
}

/** The list without this person. */
export function withoutPerson<State extends Person>(list: readonly State[], person: Person): readonly State[] {
  return kept(
    list,
    list.filter((other) => !isSame(other, person)),
  );
}

/** The new value, or the old one if it says the same, as its parts. */
export function kept<Value>(old: readonly Value[], next: readonly Value[]): readonly Value[] {
  if (isEqual(old, next)) return old;
  return Object.freeze(next.map((value) => Object.freeze(old.find((other) => isEqual(other, value)) ?? value)));
}

/** Whether two values from the wire say the same. Their fields come in one order. */
export function isEqual(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The list with this visitor as the visitor. */
export function renamed<State extends Person>(list: readonly State[], visitorId: string): readonly State[] {
  return kept(
    list,
    list.map((person) => (person.userType === "visitor" ? { ...person, userId: visitorId } : person)),
  );
}

/** Who types after an event that is not replayed: what was said long ago ends no typing now. */
export function reduceTyping(list: readonly Typist[], event: ServerMessages): readonly Typist[] {
  switch (event.type) {
    case "typing_indicator": {
      const { isTyping, ...person } = personIn(event);
      const { text } = list.find((typist) => isSame(typist, person)) ?? {};
      if (!isTyping) return withoutPerson(list, person);
      return withPerson(list, text === undefined ? person : { ...person, text });
    }
    case "typing_progress": {
      const { content: text, ...person } = personIn(event);
      return withPerson(list, { ...person, text });
    }
    case "new_message":
      return withoutPerson(list, { userId: event.senderId, userType: event.senderType });
    case "visitor_identified":
      return renamed(list, event.visitorId);
    default:
      return list;
  }
}

/** The marks with one that has moved; a mark never goes back. */
export function withMark(list: readonly SeenState[], mark: SeenState): readonly SeenState[] {
  const old = list.find((other) => isSame(other, mark));
  return old && old.lastSeenSeq > mark.lastSeenSeq ? list : withPerson(list, mark);
}
