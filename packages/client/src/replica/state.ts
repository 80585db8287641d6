/**
 * The state of a conversation, apart from its messages: what `subscription_confirmed` tells, and what events make of it.
 *
 * One law holds: the state of a confirmation, with the live events behind it, is the state that a fresh subscriber
 * would be told.
 */

import type { ServerMessages, SubscriptionConfirmed } from "@cossistant/protocol/types";

import { NOBODY, UNKNOWN_STATE } from "./empty.js";
import { factsIn, kept, personIn, reduceTyping, renamed, withMark, withoutPerson, withPerson } from "./people.js";
import type { ConversationSnapshot } from "./types.js";

/** See the fields of the same names in `ConversationSnapshot`. Frozen. */
export interface ConversationState
  extends Pick<
    ConversationSnapshot,
    "visitorId" | "status" | "assignedTeamMemberId" | "seen" | "typing" | "viewing" | "activity" | "isVisitorOnline"
  > {
  /** The place that the durable part of the state is as of. */
  readonly head: number;
}

/** The state that a confirmation tells. Parts that say the same as before keep their identity. */
export function confirmedState(old: ConversationState, told: SubscriptionConfirmed): ConversationState {
  const { seen = NOBODY, typing = NOBODY, viewing = NOBODY, activity = NOBODY, online, head } = told;
  return {
    ...UNKNOWN_STATE,
    ...factsIn(told),
    seen: kept(old.seen, seen),
    typing: kept(old.typing, typing),
    viewing: kept(old.viewing, viewing),
    activity: kept(old.activity, activity),
    isVisitorOnline: typeof online === "boolean" ? online : undefined,
    head,
  };
}

/** The state after an event of this conversation, or about its visitor. Parts that did not change keep their identity. */
export function reduceState(state: ConversationState, event: ServerMessages): ConversationState {
  const { seq: head = state.head } = event as { seq?: number };
  // A replayed event belongs to the list of messages: the state that was told is newer.
  if ("seq" in event && head <= state.head) return state;
  const next = { ...state, ...factsIn(event), head, typing: reduceTyping(state.typing, event) };
  switch (event.type) {
    case "conversation_seen": {
      const { seenAt, ...mark } = personIn(event);
      return { ...next, seen: withMark(state.seen, mark) };
    }
    case "viewing_indicator": {
      const { isViewing, ...person } = personIn(event);
      return { ...next, viewing: (isViewing ? withPerson : withoutPerson)(state.viewing, person) };
    }
    case "agent_activity": {
      const doing = personIn(event);
      return { ...next, activity: (doing.phase === "done" ? withoutPerson : withPerson)(state.activity, doing) };
    }
    case "visitor_online":
    case "visitor_offline":
      return { ...next, isVisitorOnline: event.type === "visitor_online" };
    case "visitor_identified":
      return { ...next, seen: renamed(state.seen, event.visitorId) };
    default:
      return next;
  }
}
