/** How a conversation stands and who has it, and changing it: shown at once, told when it fails. */

import type { ConversationStatus, RequestError, UseConversationReturn } from "@cossistant/react/websocket";
import { startTransition, useOptimistic } from "react";

import { tabs } from "../list/filter.js";
import type { Rows } from "../list/rows.js";
import { goTo } from "../route.js";
import { say } from "../ui/toasts.js";

/** See above. */
export interface Facts {
  readonly status: ConversationStatus | undefined;
  /** Who has it; null when nobody does, undefined until known. */
  readonly assignee: string | null | undefined;
  readonly setStatus: (status: ConversationStatus) => void;
  /** Resolves it, or opens it again. */
  readonly toggleResolved: () => void;
  /** Gives it to somebody, or to nobody; not if somebody else has taken it meanwhile. */
  readonly assign: (userId: string | null) => void;
}

const SAID: Record<ConversationStatus, string> = {
  open: "Opened again",
  pending: "Set to pending",
  resolved: "Resolved",
  closed: "Closed",
};

type Changes = Parameters<UseConversationReturn["update"]>[0];

/** The facts of a conversation. */
export function useFacts(conversation: UseConversationReturn, rows: Rows): Facts {
  const { conversationId, update } = conversation;
  const row = rows.get(conversationId);
  const known = {
    status: conversation.status ?? row?.status,
    assignee: conversation.assignedTeamMemberId === undefined ? row?.assignedTeamMemberId : conversation.assignedTeamMemberId,
  };
  const [{ status, assignee }, foresee] = useOptimistic(known, (old, changes: Partial<typeof known>) => ({ ...old, ...changes }));

  /** Resolves once the server has it, or has refused it. */
  const change = (changes: Changes, foreseen: Partial<typeof known>): Promise<void> => {
    const done = update(changes).catch((failure: RequestError) => say(reasonOf(failure)));
    startTransition(async () => {
      foresee(foreseen);
      await done;
    });
    return done;
  };
  const setStatus = (next: ConversationStatus): void => {
    if (next === status) return;
    const before = status;
    const done = change({ status: next }, { status: next });
    if (next !== "resolved" && next !== "closed") return;
    // Behind what it takes back: two requests may overtake each other.
    const takeBack = () => done.then(() => update({ status: before })).then(() => goTo(conversationId), (failure: RequestError) => say(reasonOf(failure)));
    say(SAID[next], before && (() => void takeBack()));
    // Where only open ones are listed this one goes; the next is what one wants to see.
    const beside = rows.beside(conversationId, 1);
    const following = beside === conversationId ? rows.beside(conversationId, -1) : beside;
    if (row && row.status === tabs.get().status && following !== undefined) goTo(following);
  };

  return {
    status,
    assignee,
    setStatus,
    toggleResolved: () => setStatus(status === "resolved" ? "open" : "resolved"),
    assign(userId) {
      if (assignee === undefined || userId === assignee) return;
      void change({ assignedTeamMemberId: userId, ifAssignedTo: assignee }, { assignee: userId });
    },
  };
}

function reasonOf({ status }: RequestError): string {
  if (status === 409) return "Somebody else was quicker: it has just been assigned.";
  return status === 0 ? "Not changed: no connection." : "Not changed: the server refused it.";
}
