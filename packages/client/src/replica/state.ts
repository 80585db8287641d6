/**
 * The state of a conversation, apart from its messages: what `subscription_confirmed` tells, and what events make of it.
 *
 * One law holds: the state of a confirmation, with the live events behind it, is the state that a fresh subscriber
 * would be told.
 */

import type {
  ActivityState,
  ConversationStatus,
  SeenState,
  ServerMessages,
  SubscriptionConfirmed,
  ViewingState,
} from "@cossistant/protocol/types";

import { kept, named, reduceSeen, reduceTyping, withoutPerson, withPerson } from "./people.js";
import type { Typist } from "./types.js";

/** See the fields of the same names in `ConversationSnapshot`. Frozen. */
export interface ConversationState {
  readonly visitorId: string | undefined;
  readonly status: ConversationStatus | undefined;
  readonly assignedTeamMemberId: string | null | undefined;
  readonly seen: readonly SeenState[];
  readonly typing: readonly Typist[];
  readonly viewing: readonly ViewingState[];
  readonly activity: readonly ActivityState[];
  readonly isVisitorOnline: boolean | undefined;
  /** The place that the durable part of the state is as of. */
  readonly head: number;
}

const NOBODY: readonly never[] = Object.freeze([]);

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
  return Object.freeze({
    visitorId: told.visitorId,
    status: told.status,
    assignedTeamMemberId: told.assignedTeamMemberId,
    seen: kept(old.seen, told.seen ?? NOBODY),
    typing: kept(old.typing, told.typing ?? NOBODY),
    viewing: kept(old.viewing, told.viewing ?? NOBODY),
    activity: kept(old.activity, told.activity ?? NOBODY),
    isVisitorOnline: typeof told.online === "boolean" ? told.online : undefined,
    head: told.head,
  });
}

/** The state after an event of this conversation, or about its visitor. */
export function reduceState(state: ConversationState, event: ServerMessages): ConversationState {
  switch (event.type) {
    case "new_message":
    case "message_updated":
    case "conversation_created":
    case "conversation_status_changed":
    case "conversation_assigned": {
      // A replayed event belongs to the list of messages: the state that was told is newer.
      if (event.seq <= state.head) return state;
      const next = changed(state, { head: event.seq, typing: reduceTyping(state.typing, event, true) });
      if (event.type === "conversation_status_changed") return changed(next, { status: event.status });
      if (event.type === "conversation_created") return changed(next, { visitorId: event.visitorId });
      if (event.type !== "conversation_assigned") return next;
      return changed(next, { assignedTeamMemberId: event.assignedTeamMemberId });
    }
    case "typing_indicator":
    case "typing_progress":
      return changed(state, { typing: reduceTyping(state.typing, event, true) });
    case "conversation_seen":
      return changed(state, { seen: reduceSeen(state.seen, event) });
    case "viewing_indicator": {
      const viewing = event.isViewing ? withPerson(state.viewing, named(event)) : withoutPerson(state.viewing, event);
      return changed(state, { viewing });
    }
    case "agent_activity": {
      const { phase, text } = event;
      const now = { ...named(event), phase, ...(text !== undefined && { text }) };
      const activity = phase === "done" ? withoutPerson(state.activity, event) : withPerson(state.activity, now);
      return changed(state, { activity });
    }
    case "visitor_online":
    case "visitor_offline":
      if (event.visitorId !== state.visitorId) return state;
      return changed(state, { isVisitorOnline: event.type === "visitor_online" });
    case "visitor_identified":
      return changed(state, {
        visitorId: event.visitorId,
        seen: renamed(state.seen, event.visitorId),
        typing: renamed(state.typing, event.visitorId),
      });
    default:
      return state;
  }
}

/** What the visitor did is now done by this one. */
function renamed<State extends SeenState | Typist>(list: readonly State[], visitorId: string): readonly State[] {
  const old = list.find((person) => person.userType === "visitor");
  return old ? withPerson(list, { ...old, userId: visitorId }) : list;
}

function changed(state: ConversationState, parts: Partial<ConversationState>): ConversationState {
  const next = { ...state, ...parts };
  const isSame = (Object.keys(parts) as (keyof ConversationState)[]).every((name) => state[name] === parts[name]);
  return isSame ? state : Object.freeze(next);
}
