"use client";

/** The head of the panel: who answers here, whether somebody is there, and the panel's own buttons. */

import type { ClientSnapshot, ConversationMessage } from "@cossistant/client";
import type { TeamMember } from "@cossistant/protocol/types";
import { useMemo } from "react";

import type { SupportTexts } from "../texts/texts.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";
import { usePanel } from "./panel-context.js";
import { useSound } from "./sound.js";
import { useSupport } from "./support.js";

/** More of them say nothing. */
const AVATARS = 3;

/** The head of the panel. `id` names the panel for screen readers. */
export function Header({ id }: { id: string }) {
  const { options, texts, widget } = usePanel();
  const { connection, messages } = useSupport();
  const sound = useSound();
  const members = useMemo(() => faces(messages, connection.team?.members ?? []), [messages, connection.team]);
  const presence = presenceOf(connection);

  return (
    <header className="header">
      {members.length > 0 && (
        <span className="avatars">
          {members.map(({ name = "", avatarUrl, userType }, index) => (
            <Avatar key={index} name={name || texts.team} url={avatarUrl} isAgent={userType === "ai_agent"} />
          ))}
        </span>
      )}
      <div className="who">
        <h2 id={id}>{options.name ?? texts.title}</h2>
        <p className={`presence ${presence}`}>{presence === "unknown" && connection.state.type !== "connecting" ? texts.offline : presenceText(presence, texts)}</p>
      </div>
      <button type="button" className="tool" aria-pressed={sound.isOn} aria-label={sound.isOn ? texts.soundOff : texts.soundOn} onClick={sound.toggle}>
        <Icon name={sound.isOn ? "sound" : "mute"} />
      </button>
      <button type="button" className="tool" aria-label={texts.close} onClick={widget.close}>
        <Icon name="close" />
      </button>
    </header>
  );
}

/** Those who have answered here, the latest first, before others who are there. */
function faces(messages: readonly ConversationMessage[], team: readonly TeamMember[]): readonly TeamMember[] {
  const answered = messages
    .filter(({ isOwn, senderType, senderName }) => !isOwn && senderType !== "visitor" && senderName)
    .map(({ senderName = "", senderType }) => team.find(({ name }) => name === senderName) ?? { name: senderName, userType: senderType })
    .reverse();
  const byName = new Map([...answered, ...team].map((member) => [member.name, member]));
  return [...byName.values()].slice(0, AVATARS);
}

type Presence = "online" | "agent" | "away" | "unknown";

/** Nothing is said of the team that is not known now. */
function presenceOf({ isConnected, team }: ClientSnapshot): Presence {
  if (!isConnected || !team) return "unknown";
  if (!team.online) return "away";
  const isAgentAlone = team.members.length > 0 && team.members.every(({ userType }) => userType === "ai_agent");
  return isAgentAlone ? "agent" : "online";
}

function presenceText(presence: Presence, texts: SupportTexts): string {
  const text: Record<Presence, string> = {
    online: texts.online,
    agent: texts.onlineAgent,
    away: texts.away,
    unknown: texts.connecting,
  };
  return text[presence];
}
