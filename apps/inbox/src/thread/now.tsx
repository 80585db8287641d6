import type { ActivityState, Typist } from "@cossistant/react/websocket";
import { Sparkle } from "lucide-react";

import { Avatar } from "../people/avatar.js";
import { useTeam } from "../people/members.js";
import { listed } from "../people/names.js";

interface NowProps {
  typing: readonly Typist[];
  activity: readonly ActivityState[];
  visitorName: string;
}

/** What is happening at this moment, where the next message will be. */
export function Now({ typing, activity, visitorName }: NowProps) {
  const team = useTeam();
  const writers = typing.filter(({ userType }) => userType === "user").map((user) => team.nameOf(user.userId, user.userName));
  const agents = typing.filter(({ userType }) => userType === "ai_agent");
  const silent = activity.filter(({ userId }) => !agents.some((agent) => agent.userId === userId));
  return (
    <div className="now">
      {silent.map(({ userId, userName, phase, text }) => (
        <p key={userId} className="event agent-activity">
          <Sparkle className="spark" aria-hidden />
          <bdi>{`${team.nameOf(userId, userName)}: ${text ?? phase}`}</bdi>
        </p>
      ))}
      {agents.map(({ userId, userName, text }) => (
        <Preview key={userId} id={userId} name={team.nameOf(userId, userName)} text={text} side="ours" />
      ))}
      {typing
        .filter(({ userType }) => userType === "visitor")
        .map(({ userId, text }) => (
          <Preview key={userId} id={userId} name={visitorName} text={text} side="theirs" />
        ))}
      {writers.length > 0 && (
        <p className="event writers">
          <bdi>{listed(writers)}</bdi> {writers.length === 1 ? "is" : "are"} writing
          <Dots />
        </p>
      )}
    </div>
  );
}

interface PreviewProps {
  id: string;
  name: string;
  /** What is written so far; undefined where that is not told. */
  text: string | undefined;
  side: "theirs" | "ours";
}

/** A message that is being written. */
function Preview({ id, name, text, side }: PreviewProps) {
  return (
    <article className={`message preview first last ${side}`} aria-label={`${name} is writing`} data-testid="preview">
      {side === "theirs" && <Avatar id={id} name={name} size="small" />}
      <div className="message-body">
        {side === "ours" && (
          <div className="message-name">
            <Sparkle className="spark" aria-hidden />
            <bdi>{name}</bdi>
          </div>
        )}
        <div className="bubble">
          {text ? (
            <div className="plain" dir="auto">
              {text}
              <span className="caret" aria-hidden />
            </div>
          ) : (
            <Dots />
          )}
        </div>
      </div>
    </article>
  );
}

function Dots() {
  return (
    <span className="dots" aria-hidden>
      <span />
      <span />
      <span />
    </span>
  );
}
