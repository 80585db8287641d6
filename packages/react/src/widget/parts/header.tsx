"use client";

/** The head of the panel: who answers here, whether somebody is there, and the panel's own buttons. */

import type { ConversationMessage } from "@cossistant/client";
import type { TeamMember } from "@cossistant/protocol/types";
import { useMemo } from "react";

import type { TeamPresence } from "../presence.js";
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
  const { connection, messages, presence } = useSupport();
  const sound = useSound();
  const members = useMemo(() => faces(messages, connection.team?.members ?? []), [messages, connection.team]);

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
        <p className={`presence ${presence ?? "unknown"}`}>
          {presence ? presenceText(presence, texts) : connection.state.type === "connecting" ? texts.connecting : texts.offline}
        </p>
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

function presenceText(presence: TeamPresence, texts: SupportTexts): string {
  const text: Record<TeamPresence, string> = {
    people: texts.online,
    agents: texts.onlineAgent,
    somebody: texts.onlineSomebody,
    nobody: texts.away,
  };
  return text[presence];
}
