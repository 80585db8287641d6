import { memo } from "react";

import { fullText } from "../list/when.js";
import { useTeam, type Team } from "../people/members.js";
import { useSigned } from "../session/context.js";
import { timeText } from "../shared.js";
import type { ThreadEvent } from "./events.js";

const BY_SOMEBODY = { open: "opened this again", pending: "set this to pending", resolved: "resolved this", closed: "closed this" };
/** A visitor's message opens what was resolved; nobody of the team did. */
const BY_NOBODY = { open: "Opened again", pending: "Now pending", resolved: "Resolved", closed: "Closed" };

/** Something that happened, in a line. `id` is the item's key. */
export const EventLine = memo(function EventLine({ id, event }: { id: string; event: ThreadEvent }) {
  const team = useTeam();
  const { me } = useSigned();
  return (
    <p className="event" data-key={id}>
      <bdi>{sentence(event, team, me.sub)}</bdi>{" "}
      <time dateTime={event.at} title={fullText(event.at)}>
        {timeText(event.at, navigator.language)}
      </time>
    </p>
  );
});

/** It in words, to somebody whose id is `me`. */
export function sentence({ change, changedBy }: ThreadEvent, team: Pick<Team, "nameOf">, me: string): string {
  const nameOf = (id: string, self: string): string => (id === me ? self : team.nameOf(id));
  const who = changedBy === undefined ? undefined : nameOf(changedBy, "You");
  if (change.type === "status") {
    return who === undefined ? BY_NOBODY[change.status] : `${who} ${BY_SOMEBODY[change.status]}`;
  }
  if (change.to === null) return who === undefined ? "Nobody has this any more" : `${who} gave this back`;
  if (change.to === changedBy) return `${who} took this`;
  return who === undefined ? `Assigned to ${nameOf(change.to, "you")}` : `${who} assigned this to ${nameOf(change.to, "you")}`;
}
