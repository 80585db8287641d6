/** The team of a website: names for the ids that events and assignments tell. */

import { useWebSocketEvent, type UserType } from "@cossistant/react/websocket";
import { createContext, use, useMemo } from "react";

import { useResource } from "../resource.js";
import { useSigned } from "../session/context.js";

/** Somebody of the team. */
export interface Member {
  readonly userId: string;
  readonly userType: UserType;
  readonly name?: string;
  readonly online: boolean;
}

/** The team, to be asked for a name. */
export interface Team {
  /** By name, oneself first. */
  readonly members: readonly Member[];
  /** What somebody is called. */
  nameOf(userId: string, told?: string): string;
  /** Whether somebody is a program. */
  isAgent(userId: string): boolean;
}

/** Provides the team of the website that is shown. */
export const TeamContext = createContext<Team | undefined>(undefined);

/** The team of the website that is shown. */
export function useTeam(): Team {
  const team = use(TeamContext);
  if (!team) throw new Error("no team is known here");
  return team;
}

/** Loads the team, and again when somebody shows up who is not in it. */
export function useLoadedTeam(): Team {
  const { website, me } = useSigned();
  const { data, reload } = useResource<{ members: Member[] }>(`/v1/websites/${website.id}/members`);
  const team = useMemo(() => teamOf(data?.members ?? [], me), [data, me]);
  const meet = (id: string | null | undefined): void => {
    if (id && !team.members.some(({ userId }) => userId === id)) reload();
  };
  useWebSocketEvent("conversation_assigned", ({ assignedTeamMemberId }) => meet(assignedTeamMemberId));
  useWebSocketEvent("viewing_indicator", ({ userId }) => meet(userId));
  useWebSocketEvent("new_message", ({ senderId, senderType }) => meet(senderType === "visitor" ? undefined : senderId));
  return team;
}

/** The team of these people, among whom `me` always is. */
export function teamOf(told: readonly Member[], me: { sub: string; name?: string }): Team {
  const self: Member = { userId: me.sub, userType: "user", online: true, ...(me.name !== undefined && { name: me.name }) };
  const others = told.filter(({ userId }) => userId !== me.sub);
  const byId = new Map([self, ...others].map((member) => [member.userId, member]));
  const nameOf = (userId: string, name?: string): string => byId.get(userId)?.name ?? name ?? userId;
  const byName = (a: Member, b: Member): number => nameOf(a.userId).localeCompare(nameOf(b.userId));
  return {
    members: [self, ...others.toSorted(byName)],
    nameOf,
    isAgent: (userId) => byId.get(userId)?.userType === "ai_agent",
  };
}
