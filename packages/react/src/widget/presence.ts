/** Who of the team is there, as far as a visitor is told. */

import type { ClientSnapshot } from "@cossistant/client";

/**
 * At least one person; AI agents and nobody else; somebody, of whom it is not told whether it is a person; nobody.
 *
 * A connection begins with the names of those who are there. Afterwards it is told only that the first came or that the
 * last left: who came first is not said.
 */
export type TeamPresence = "people" | "agents" | "somebody" | "nobody";

type Team = ClientSnapshot["team"];

/** Makes a function that is given the team after each change, and tells who of it is there; undefined while that is unknown. */
export function createTeamWatch(): (team: Team) => TeamPresence | undefined {
  /** The names of a connection, and whether somebody is there; `isTold`: nobody came or left since they were told. */
  let last: { readonly members: unknown; readonly online: boolean; readonly isTold: boolean } | undefined;
  return (team) => {
    if (!team) return undefined;
    const { members, online } = team;
    if (last?.members !== members) last = { members, online, isTold: members.length > 0 === online };
    else if (last.online !== online) last = { members, online, isTold: false };
    if (!online) return "nobody";
    if (!last.isTold) return "somebody";
    return members.every(({ userType }) => userType === "ai_agent") ? "agents" : "people";
  };
}
