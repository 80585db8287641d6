"use client";

/** One message, with what is known of it. */

import type { ConversationMessage } from "@cossistant/client";
import { memo } from "react";

import { timeText } from "../rows.js";
import type { SupportTexts } from "../texts/texts.js";
import { Avatar } from "./avatar.js";
import { Icon, type IconName } from "./icons.js";
import { MessageBody } from "./message-body.js";

/** What a message takes. Only what a single message shows, so that it renders again for that alone. */
export interface MessageProps {
  message: ConversationMessage;
  isFirst: boolean;
  isLast: boolean;
  /** Whether somebody of the team has seen it. */
  isSeen: boolean;
  /** Whether its mark is said in words too. */
  isNewestOwn: boolean;
  avatarUrl: string | undefined;
  texts: SupportTexts;
  language: string;
  onRetry: (key: string) => void;
  onDiscard: (key: string) => void;
}

/** How far a message has come. */
type Mark = "queued" | "sending" | "sent" | "seen" | "failed";

const ICONS: Record<Mark, IconName> = { queued: "clock", sending: "clock", sent: "tick", seen: "ticks", failed: "alert" };

/** The name of a sender without one. */
export function nameOf({ senderName, senderType, isOwn }: Pick<ConversationMessage, "senderName" | "senderType" | "isOwn">, texts: SupportTexts): string {
  if (isOwn) return texts.you;
  return senderName || (senderType === "ai_agent" ? texts.agent : texts.team);
}

/** A row of the list. */
export const Message = memo(function Message(props: MessageProps) {
  const { message, isFirst, isLast, isSeen, isNewestOwn, avatarUrl, texts, language, onRetry, onDiscard } = props;
  const { key, content, isOwn, isDeleted, senderType, delivery, createdAt, updatedAt } = message;
  const isAgent = senderType === "ai_agent";
  const name = nameOf(message, texts);
  const mark: Mark = delivery === "sent" && isSeen ? "seen" : delivery;
  const hasFailed = delivery === "failed";
  return (
    <li className={`message ${isOwn ? "own" : "other"}${isFirst ? " first" : ""}${isLast ? " last" : ""}`} data-delivery={delivery}>
      {!isOwn && isLast && <Avatar name={name} url={avatarUrl} isAgent={isAgent} />}
      {isFirst && !isOwn ? <SenderName name={name} isAgent={isAgent} texts={texts} /> : <span className="hidden">{name}</span>}
      <div className={isDeleted || !content ? "bubble deleted" : "bubble"}>
        {isDeleted || !content ? texts.deleted : <MessageBody content={content} texts={texts} language={language} />}
      </div>
      {(isLast || hasFailed) && (
        <p className={hasFailed ? "meta failed" : "meta"}>
          {!hasFailed && <time dateTime={createdAt}>{timeText(createdAt, language)}</time>}
          {updatedAt && !isDeleted && <span>{texts.edited}</span>}
          {isOwn && !isDeleted && (
            <span className={`mark ${mark}`}>
              <Icon name={ICONS[mark]} />
              <span className={isNewestOwn || hasFailed || mark === "queued" ? undefined : "hidden"}>{texts[mark]}</span>
            </span>
          )}
          {hasFailed && (
            <>
              <button type="button" className="link" onClick={() => onRetry(key)}>
                {texts.retry}
              </button>
              <button type="button" className="link" onClick={() => onDiscard(key)}>
                {texts.discard}
              </button>
            </>
          )}
        </p>
      )}
    </li>
  );
});

/** The name above a group of messages. AI agents are always told apart. */
export function SenderName({ name, isAgent, texts }: { name: string; isAgent: boolean; texts: SupportTexts }) {
  return (
    <p className="name">
      {name}
      {isAgent && (
        <span className="ai">
          <Icon name="spark" />
          {texts.aiMark}
        </span>
      )}
    </p>
  );
}
