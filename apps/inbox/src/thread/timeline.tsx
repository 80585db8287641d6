import type { UseConversationReturn } from "@cossistant/react/websocket";
import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { useIsLookedAt } from "../notify/attention.js";
import { useTeam } from "../people/members.js";
import { useSigned } from "../session/context.js";
import { dayText } from "../shared.js";
import { LoadFailed } from "../ui/load-failed.js";
import { announcementOf } from "./announcement.js";
import { EventLine } from "./event-line.js";
import { useThreadEvents } from "./events.js";
import { layout, UNREAD, type Item } from "./layout.js";
import { markOf, newestToVisitor } from "./marks.js";
import { Message, type MessageActions } from "./message.js";
import { Now } from "./now.js";
import type { Space } from "./stretch.js";
import { ThreadEmpty, ThreadSkeleton } from "./thread-states.js";
import { unreadAtEnd, useUnreadFrom } from "./unread.js";
import { useScroll } from "./use-scroll.js";

/** So many messages at the most are loaded to come to where what is new begins. */
const UNREAD_MAX = 500;

interface TimelineProps {
  conversation: UseConversationReturn;
  visitorName: string;
  /** The message that is being edited. */
  edited: string | undefined;
  actions: MessageActions;
}

/** What was said and what happened, oldest first. */
export function Timeline({ conversation, visitorName, edited, actions }: TimelineProps) {
  const { conversationId, messages, seen, unreadCount, hasMore, isLoading, isLoadingMore, loadMore, markSeen, error } = conversation;
  const { me } = useSigned();
  const team = useTeam();
  const events = useThreadEvents(conversationId);
  const isLookedAt = useIsLookedAt();
  const onNearTop = useCallback(() => void loadMore(), [loadMore]);
  const wasAtEnd = useRef(true);
  const unreadFrom = useUnreadFrom(conversation, me.sub, isLookedAt && wasAtEnd.current);
  // What is new may begin above all that is loaded.
  const isLineFar = unreadFrom !== undefined && hasMore && (messages[0]?.seq ?? 0) > unreadFrom && messages.length < UNREAD_MAX;
  const items = useMemo(() => layout(messages, events, unreadFrom), [messages, events, unreadFrom]);
  // What is loaded anew ends a further page that is on its way, which is then asked for again.
  const canLoadMore = hasMore && !isLoading && !isLoadingMore && !error;
  const scroll = useScroll(items, edited, canLoadMore ? onNearTop : undefined);
  const { scroller, parts, isAtEnd, staysAtEnd, toEnd, toItem } = scroll;

  useEffect(() => {
    wasAtEnd.current = isAtEnd;
  }, [isAtEnd]);
  useEffect(() => {
    if (isLineFar && canLoadMore) void loadMore();
  }, [isLineFar, canLoadMore, loadMore]);
  useEffect(() => {
    // What was new on opening is read from its beginning, unless one has gone elsewhere while that was loaded.
    if (unreadFrom !== undefined && !isLineFar && staysAtEnd()) toItem(UNREAD);
  }, [unreadFrom, isLineFar, staysAtEnd, toItem]);
  useEffect(() => {
    // The effect before may just have left the end.
    if (isAtEnd && staysAtEnd() && !isLineFar && isLookedAt && unreadCount > 0) markSeen();
  }, [isAtEnd, staysAtEnd, isLineFar, isLookedAt, unreadCount, markSeen]);
  useEffect(() => {
    // What had the focus went with the conversation before; the keyboard goes on here.
    if (document.activeElement === document.body && navigator.userActivation?.hasBeenActive) {
      scroller.current?.focus({ preventScroll: true });
    }
  }, [scroller]);
  // One's own message is what one wants to see next.
  const last = messages.at(-1);
  const ownKey = last?.isOwn && last.delivery !== "sent" ? last.key : undefined;
  useEffect(() => {
    if (ownKey !== undefined) toEnd();
  }, [ownKey, toEnd]);

  const visitorSeen = seen.find(({ userType }) => userType === "visitor")?.lastSeenSeq ?? 0;
  const newest = useMemo(() => newestToVisitor(messages), [messages]);
  const show = (item: Item | Space) => {
    switch (item.type) {
      case "space":
        return <div key={item.key} className="space" style={{ height: item.height }} aria-hidden />;
      case "day":
        return (
          <h3 key={item.key} data-key={item.key} className="day">
            <span>{dayText(item.at, Date.now(), navigator.language)}</span>
          </h3>
        );
      case "unread":
        return (
          <div key={item.key} data-key={item.key} className="unread-line" role="separator" aria-label="New messages">
            <span>New</span>
          </div>
        );
      case "event":
        return <EventLine key={item.key} id={item.key} event={item.event} />;
      case "message": {
        const { message, isFirst, isLast } = item;
        const { senderType, senderId, senderName } = message;
        return (
          <Message
            key={item.key}
            message={message}
            name={senderType === "visitor" ? visitorName : team.nameOf(senderId, senderName)}
            isFirst={isFirst}
            isLast={isLast}
            mark={markOf(message, newest, visitorSeen)}
            isAdmin={me.isAdmin}
            isEdited={edited === item.key}
            actions={actions}
          />
        );
      }
    }
  };

  const isEmpty = messages.length === 0;
  return (
    <div className="timeline">
      <div className="timeline-scroller" ref={scroller} onScroll={scroll.onScroll} tabIndex={0} role="region" aria-label="Messages" data-testid="timeline">
        <div className="timeline-content" ref={scroll.content} onFocus={scroll.onFocus} onBlur={scroll.onBlur}>
          {hasMore && <div className="older">{isLoadingMore ? "Loading older messages …" : ""}</div>}
          {isEmpty && error ? (
            <LoadFailed what="messages" error={error} onRetry={onNearTop} />
          ) : isEmpty && isLoading ? (
            <ThreadSkeleton />
          ) : isEmpty ? (
            <ThreadEmpty name={visitorName} />
          ) : (
            parts.map(show)
          )}
          <Now typing={conversation.typing} activity={conversation.activity} visitorName={visitorName} />
        </div>
      </div>
      {!isAtEnd && <ToEnd count={unreadAtEnd(messages, unreadCount) === undefined ? 0 : unreadCount} onClick={toEnd} />}
      <Announcer conversation={conversation} visitorName={visitorName} />
    </div>
  );
}

function ToEnd({ count, onClick }: { count: number; onClick: () => void }) {
  return (
    <button type="button" className={count > 0 ? "to-end new" : "to-end"} onClick={onClick}>
      <ArrowDown aria-hidden />
      {count > 0 ? `${count} new message${count === 1 ? "" : "s"}` : <span className="hidden">To the newest messages</span>}
    </button>
  );
}

/** Reads to a screen reader what others say while the conversation is open; not what was said before. */
function Announcer({ conversation: { messages, isLoading }, visitorName }: Pick<TimelineProps, "conversation" | "visitorName">) {
  const team = useTeam();
  const [said, say] = useState("");
  /** The place of the newest message that was there at the last look. */
  const known = useRef<number>(undefined);
  useEffect(() => {
    if (isLoading) return;
    const newest = messages.findLast(({ seq }) => seq !== undefined)?.seq ?? 0;
    const before = known.current;
    known.current = Math.max(newest, before ?? 0);
    if (before === undefined) return;
    const others = messages.filter(({ seq = 0, isOwn, isDeleted }) => seq > before && !isOwn && !isDeleted);
    if (others.length === 0) return;
    const words = announcementOf(others, ({ senderType, senderId, senderName }) =>
      senderType === "visitor" ? visitorName : team.nameOf(senderId, senderName),
    );
    // The same words once more are read only if they are others.
    say((last) => (last === words ? `${words}\u00a0` : words));
  }, [messages, isLoading, visitorName, team]);
  return (
    <div className="hidden" role="status" aria-live="polite" data-testid="announcer">
      {said}
    </div>
  );
}
