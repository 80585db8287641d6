/** What is known before anything was told. Only for what loads later: with the rest shared, it would be a file of its own to load. */

import type { ConversationState } from "./state.js";

/** An empty list. */
export const NOBODY: readonly never[] = Object.freeze([]);

/** The state of a conversation of which nothing was told. */
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
