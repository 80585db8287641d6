"use client";

/** Who of the team is writing now: three dots for people, the text itself for AI agents. */

import type { Typist } from "@cossistant/client";
import type { ActivityState } from "@cossistant/protocol/types";

import { Avatar } from "./avatar.js";
import { SenderName } from "./message.js";
import { PlainText } from "./message-body.js";
import { usePanel } from "./panel-context.js";

/** What `Writing` takes. */
export interface WritingProps {
  typing: readonly Typist[];
  activity: readonly ActivityState[];
  avatarUrl: (name: string | undefined) => string | undefined;
}

/** The rows at the end of the list, where the next messages will be. */
export function Writing({ typing, activity, avatarUrl }: WritingProps) {
  const { texts } = usePanel();
  const writers = typing.filter(({ userType }) => userType !== "visitor");
  const busy = activity.filter(({ userId, phase }) => phase !== "done" && !writers.some((writer) => writer.userId === userId));
  return (
    <>
      {writers.map(({ userId, userType, userName, text, avatarUrl: own }) => {
        const isAgent = userType === "ai_agent";
        const name = userName || (isAgent ? texts.agent : texts.team);
        return (
          <li key={`${userType} ${userId}`} className="message other first last writing">
            <Avatar name={name} url={own ?? avatarUrl(userName)} isAgent={isAgent} />
            <SenderName name={name} isAgent={isAgent} texts={texts} />
            <div className={text ? "bubble draft" : "bubble"}>
              {text ? <PlainText text={text} newTab={texts.newTab} /> : <Dots label={texts.writes(name)} />}
            </div>
          </li>
        );
      })}
      {busy.map(({ userId, userName, text, avatarUrl: own }) => {
        const name = userName || texts.agent;
        return (
          <li key={`activity ${userId}`} className="message other first last writing">
            <Avatar name={name} url={own ?? avatarUrl(userName)} isAgent />
            <SenderName name={name} isAgent texts={texts} />
            <div className="bubble busy">
              <Dots label={text ? "" : texts.writes(name)} />
              {text && <span dir="auto">{text}</span>}
            </div>
          </li>
        );
      })}
    </>
  );
}

function Dots({ label }: { label: string }) {
  return (
    <span className="dots">
      <span />
      <span />
      <span />
      {label && <span className="hidden">{label}</span>}
    </span>
  );
}
