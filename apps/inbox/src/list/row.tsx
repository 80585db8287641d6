import type { InboxConversation } from "@cossistant/react/websocket";
import { CircleCheck, CircleDashed, Lock } from "lucide-react";
import { memo, type MouseEvent } from "react";

import { Avatar } from "../people/avatar.js";
import { useTeam } from "../people/members.js";
import { visitorName } from "../people/names.js";
import { goTo, pathOf } from "../route.js";
import { lineOf, type Line } from "./line.js";
import { whenText } from "./when.js";

/** The height of a row, in px. */
export const ROW_HEIGHT = 64;

interface RowProps {
  row: InboxConversation;
  /** Its place, from 0, and how many there are as far as is known. */
  index: number;
  count: number;
  isOpen: boolean;
  /** Whether the Tab key comes to it; the arrow keys reach the others. */
  isTabStop: boolean;
  /** Whether it says how it stands: not where all stand the same. */
  hasStatus: boolean;
  /** The text that one has begun to answer. */
  draft: string;
}

/** One conversation in the list. */
export const Row = memo(function Row({ row, index, count, isOpen, isTabStop, hasStatus, draft }: RowProps) {
  const { conversationId, visitor, visitorId, lastActivityAt, unreadCount, isOnline, assignedTeamMemberId } = row;
  const team = useTeam();
  const name = visitorName(visitor, visitorId);
  const isUnread = unreadCount > 0 && !isOpen;
  const assignee = assignedTeamMemberId === null ? undefined : team.nameOf(assignedTeamMemberId);

  const open = (event: MouseEvent): void => {
    // With a key held the browser opens a tab of its own.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    goTo(conversationId);
  };

  return (
    <li
      className="row-place"
      style={{ transform: `translateY(${index * ROW_HEIGHT}px)` }}
      aria-posinset={index + 1}
      aria-setsize={count}
    >
      <a
        className={isUnread ? "row unread" : "row"}
        href={pathOf(conversationId)}
        data-conversation={conversationId}
        aria-current={isOpen ? "page" : undefined}
        tabIndex={isTabStop ? 0 : -1}
        onClick={open}
      >
        <Avatar id={visitorId} name={name} isOnline={isOnline} />
        <span className="row-body">
          <span className="row-head">
            <bdi className="row-name">{name}</bdi>
            {isOnline && <span className="hidden">, online</span>}
            <time className="row-time" dateTime={lastActivityAt}>
              {whenText(lastActivityAt, new Date())}
            </time>
          </span>
          <span className="row-foot">
            <LineText line={lineOf(row, isOpen ? "" : draft)} />
            {hasStatus && <Status status={row.status} />}
            {assignedTeamMemberId !== null && assignee !== undefined && (
              <>
                <Avatar id={assignedTeamMemberId} name={assignee} size="small" isAgent={team.isAgent(assignedTeamMemberId)} />
                <span className="hidden">, assigned to {assignee}</span>
              </>
            )}
            {isUnread && (
              <span className="unread-dot">
                <span className="hidden">, {unreadCount} unread</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
});

function LineText({ line }: { line: Line }) {
  switch (line.type) {
    case "typing":
      return (
        <span className="row-line typing">
          <span className="hidden">Writing: </span>
          {line.text === undefined ? "Writing …" : <bdi>{line.text}</bdi>}
          <span className="caret" aria-hidden />
        </span>
      );
    case "draft":
      return (
        <span className="row-line">
          <span className="draft-mark">Draft: </span>
          <bdi>{line.text}</bdi>
        </span>
      );
    case "message":
      return (
        <span className="row-line">
          {line.isNote && <Lock className="note-mark" role="img" aria-label="Note:" />}
          {line.by === "self" && !line.isNote && "You: "}
          <bdi>{line.text}</bdi>
        </span>
      );
  }
}

function Status({ status }: { status: InboxConversation["status"] }) {
  if (status === "open") return null;
  const Icon = status === "pending" ? CircleDashed : CircleCheck;
  return <Icon className={`status-mark ${status}`} role="img" aria-label={`, ${status}`} />;
}
