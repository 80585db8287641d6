/**
 * The state of a conversation, apart from its messages: what `subscription_confirmed` tells, and what events make of it.
 *
 * One law holds: the state of a confirmation, with the live events behind it, is the state that a fresh subscriber
 * would be told.
 */

import type { ServerMessages, SubscriptionConfirmed } from "@cossistant/protocol/types";

import { kept, NOBODY, personIn, reduceTyping, renamed, withMark, withoutPerson, withPerson } from "./people.js";
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

/** What is known before anything was told. */
export const UNKNOWN_STATE: ConversationState = Object.freeze({
  visitorId: undefined,
  status: undefined,
  assignedTeamMemberId: undefined,
  seen: NOBODY,
  typing: NOBODY,
  viewing: NOBODY,
  activity: NOBODY,
  isVisitorOnline: undefined,
  head: 0,
});

/** The state that a confirmation tells. Parts that say the same as before keep their identity. */
export function confirmedState(old: ConversationState, told: SubscriptionConfirmed): ConversationState {
  const { visitorId, status, assignedTeamMemberId, seen, typing, viewing, activity, online, head } = told;
  return {
    visitorId,
    status,
    assignedTeamMemberId,
    seen: kept(old.seen, seen ?? NOBODY),
    typing: kept(old.typing, typing ?? NOBODY),
    viewing: kept(old.viewing, viewing ?? NOBODY),
    activity: kept(old.activity, activity ?? NOBODY),
    isVisitorOnline: typeof online === "boolean" ? online : undefined,
    head,
  };
}

/** The state after an event of this conversation, or about its visitor. */
export function reduceState(state: ConversationState, event: ServerMessages): ConversationState {
  const parts = partsOf(state, event);
  return parts ? { ...state, ...parts } : state;
}

/** What an event changes. */
function partsOf(state: ConversationState, event: ServerMessages): Partial<ConversationState> | undefined {
  // A replayed event belongs to the list of messages: the state that was told is newer.
  if ("seq" in event && event.seq <= state.head) return undefined;
  switch (event.type) {
    case "new_message":
      return { head: event.seq, typing: reduceTyping(state.typing, event) };
    case "message_updated":
      return { head: event.seq };
    case "conversation_created":
      return { head: event.seq, visitorId: event.visitorId };
    case "conversation_status_changed":
      return { head: event.seq, status: event.status };
    case "conversation_assigned":
      return { head: event.seq, assignedTeamMemberId: event.assignedTeamMemberId };
    case "typing_indicator":
    case "typing_progress":
      return { typing: reduceTyping(state.typing, event) };
    case "conversation_seen": {
      const { seenAt, ...mark } = personIn(event);
      return { seen: withMark(state.seen, mark) };
    }
    case "viewing_indicator": {
      const { isViewing, ...person } = personIn(event);
      return { viewing: (isViewing ? withPerson : withoutPerson)(state.viewing, person) };
    }
    case "agent_activity": {
      const doing = personIn(event);
      return { activity: (doing.phase === "done" ? withoutPerson : withPerson)(state.activity, doing) };
    }
    case "visitor_online":
    case "visitor_offline":
      return { isVisitorOnline: event.type === "visitor_online" };
    case "visitor_identified": {
      const { visitorId } = event;
      return { visitorId, seen: renamed(state.seen, visitorId), typing: renamed(state.typing, visitorId) };
    }
    default:
      return undefined;
  }
}
