/** Which conversations the list shows: how they stand, and whose they are. */

import type { ConversationStatus, InboxFilter } from "@cossistant/react/websocket";

import { createKept, isRecord } from "../kept.js";

/** What is chosen by the tabs; the search is apart. */
export interface Tabs {
  readonly status: Exclude<ConversationStatus, "closed"> | "all";
  readonly assignee: "anyone" | "me" | "none";
}

/** The tabs of one row, in order. */
export const STATUSES = ["open", "pending", "resolved", "all"] as const;
/** The tabs of the other. */
export const ASSIGNEES = ["anyone", "me", "none"] as const;

/** What the tabs are called. */
export const LABELS: Record<Tabs["status"] | Tabs["assignee"], string> = {
  open: "Open",
  pending: "Pending",
  resolved: "Resolved",
  all: "All",
  anyone: "Everyone’s",
  me: "Mine",
  none: "Unassigned",
};

const FIRST: Tabs = { status: "open", assignee: "anyone" };

/** What was chosen, kept for the next time. */
export const tabs = createKept<Tabs>("tabs", (stored) => {
  if (!isRecord(stored)) return FIRST;
  return {
    status: STATUSES.find((status) => status === stored["status"]) ?? FIRST.status,
    assignee: ASSIGNEES.find((assignee) => assignee === stored["assignee"]) ?? FIRST.assignee,
  };
});

/** The filter of the tabs and of what is searched for. */
export function filterOf({ status, assignee }: Tabs, search: string): InboxFilter {
  const words = search.trim();
  return {
    ...(status !== "all" && { status }),
    ...(assignee !== "anyone" && { assignee }),
    ...(words && { search: words }),
  };
}
