import type { ConversationMessage, RequestError } from "@cossistant/react/websocket";
import { Ellipsis, Lock, Sparkle } from "lucide-react";
import { memo, useState } from "react";

import { fullText } from "../list/when.js";
import { Avatar } from "../people/avatar.js";
import { timeText } from "../shared.js";
import { Menu, MenuItem } from "../ui/menu.js";
import { Attachments } from "./attachments.js";
import { EditMessage } from "./edit-message.js";
import { DeliveryMark } from "./mark.js";
import { rightsOn, type Mark } from "./marks.js";
import { hasWords, PlainText, RichText } from "./rich-text.js";

/** What can be done with messages: functions that stay the same for the conversation. */
export interface MessageActions {
  readonly onRetry: (key: string) => void;
  readonly onDiscard: (key: string) => void;
  readonly onEdit: (key: string | undefined) => void;
  readonly onSave: (message: ConversationMessage, text: string) => Promise<RequestError | undefined>;
  readonly onDelete: (message: ConversationMessage) => void;
}

interface MessageProps {
  message: ConversationMessage;
  /** Who wrote it. */
  name: string;
  isFirst: boolean;
  isLast: boolean;
  mark: Mark | undefined;
  isAdmin: boolean;
  isEdited: boolean;
  actions: MessageActions;
}

/** One message. */
export const Message = memo(function Message(props: MessageProps) {
  const { message, name, isFirst, isLast, mark, isEdited, actions } = props;
  const { key, senderType, senderId, visibility, isOwn, createdAt, updatedAt, isDeleted } = message;
  const isNote = visibility === "internal";
  const side = isNote ? "note" : senderType === "visitor" ? "theirs" : "ours";
  const classes = ["message", side, isFirst && "first", isLast && "last", mark === "failed" && "failed", isDeleted && "deleted"];

  return (
    <article className={classes.filter(Boolean).join(" ")} data-key={key} aria-label={labelOf(props)}>
      {side === "theirs" && (isLast ? <Avatar id={senderId} name={name} size="small" /> : <span className="avatar-space" />)}
      <div className="message-body">
        {isFirst && (
          <div className="message-name">
            {isNote && <Lock aria-hidden />}
            {senderType === "ai_agent" && <Sparkle className="spark" aria-hidden />}
            <bdi>{isOwn ? "You" : name}</bdi>
            {isNote && <span className="message-kind">note for the team</span>}
            <time dateTime={createdAt}>{timeText(createdAt, navigator.language)}</time>
          </div>
        )}
        {isEdited ? (
          <EditMessage message={message} actions={actions} />
        ) : (
          <div className="bubble-line">
            <div className="bubble" title={fullText(createdAt)}>
              <Content message={message} />
              {updatedAt !== undefined && !isDeleted && <span className="edited">Edited</span>}
            </div>
            <MessageMenu {...props} />
          </div>
        )}
        {mark && <DeliveryMark mark={mark} onRetry={() => actions.onRetry(key)} onDiscard={() => actions.onDiscard(key)} />}
      </div>
    </article>
  );
});

function Content({ message: { content, isDeleted, senderType } }: { message: ConversationMessage }) {
  if (isDeleted || !content) return <div className="plain gone">This message was deleted.</div>;
  const { text, html, attachments = [] } = content;
  return (
    <>
      {html && (!text || hasWords(html)) ? <RichText html={html} /> : text ? <PlainText text={text} /> : null}
      {attachments.length > 0 && <Attachments list={attachments} isTrusted={senderType !== "visitor"} />}
    </>
  );
}

function MessageMenu({ message, isAdmin, actions }: MessageProps) {
  const [isWanted, want] = useState(false);
  const { canEdit, canDelete } = rightsOn(message, isAdmin);
  const text = message.content?.text;
  if (!canEdit && !canDelete && !text) return null;
  const label = "What to do with this message";
  // A menu costs more than all else of a message, and few are ever opened.
  if (!isWanted) {
    return (
      <button type="button" className="icon-button message-menu" aria-label={label} aria-haspopup="menu" aria-expanded={false} onClick={() => want(true)}>
        <Ellipsis />
      </button>
    );
  }
  return (
    <Menu
      align="end"
      isOpenAtFirst
      trigger={
        <button type="button" className="icon-button message-menu" aria-label={label}>
          <Ellipsis />
        </button>
      }
    >
      {text && <MenuItem onChoose={() => void navigator.clipboard.writeText(text)}>Copy text</MenuItem>}
      {canEdit && <MenuItem onChoose={() => actions.onEdit(message.key)}>Edit</MenuItem>}
      {canDelete && (
        <MenuItem isDanger onChoose={() => actions.onDelete(message)}>
          Delete
        </MenuItem>
      )}
    </Menu>
  );
}

function labelOf({ message: { isOwn, visibility, createdAt }, name }: MessageProps): string {
  const who = isOwn ? "You" : name;
  return `${visibility === "internal" ? "Note by " : ""}${who}, ${timeText(createdAt, navigator.language)}`;
}
