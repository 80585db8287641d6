"use client";

/** The conversation: a list of messages, or a welcome while there are none. */

import type { ConversationMessage } from "@cossistant/client";
import { useCallback, useMemo, useState } from "react";

import { isPersonAwaited, lastOwn, toRows } from "../rows.js";
import { DayLine, Line } from "./lines.js";
import { Icon } from "./icons.js";
import { Message, nameOf } from "./message.js";
import { usePanel } from "./panel-context.js";
import { useScroll } from "./scroll.js";
import { useSupport } from "./support.js";
import { useFirstNew, useIncoming, useMarkSeen } from "./reading.js";
import { Welcome } from "./welcome.js";
import { Writing } from "./writing.js";

/** How many messages are in the page at first, and by how many more each time the reader comes to the beginning. */
const WINDOW = 60;

/** How many messages a screen reader says that come at once: the newest. */
const SAID_AT_ONCE = 3;

/** The list of messages. */
export function Thread() {
  const { announce, language, texts } = usePanel();
  const { connection, conversation, discard, loadMore, messages, retry } = useSupport();
  const [size, setSize] = useState(WINDOW);
  const shown = useMemo(() => messages.slice(-size), [messages, size]);
  const firstNew = useFirstNew();
  const rows = useMemo(() => toRows(shown, firstNew), [shown, firstNew]);

  const hasMore = conversation?.hasMore ?? false;
  const onBeginning = useCallback(() => {
    if (messages.length > size) setSize(size + WINDOW);
    // What is loaded is to be shown, too.
    else if (hasMore) void loadMore().then(() => setSize((now) => now + WINDOW));
  }, [messages.length, size, hasMore, loadMore]);
  // Not each message of one's own: older ones come at the beginning.
  const last = messages.at(-1);
  const sentKey = last?.isOwn && last.delivery !== "sent" ? last.key : undefined;
  const isFirstLoad = !!conversation?.isLoading && messages.length === 0 && connection.isConnected;
  const isLoadingShown = !!conversation?.isLoadingMore || isFirstLoad;
  const isErrorShown = !!conversation?.error && !conversation.isLoading;
  // A line that comes above the first message moves what the reader looks at as much as messages do.
  const firstKey = shown[0] && `${isErrorShown} ${isLoadingShown} ${shown[0].key}`;
  const scroll = useScroll({ firstKey, sentKey, onBeginning });
  useMarkSeen(scroll.isAtEnd);
  useIncoming((incoming) => {
    const said = incoming.slice(-SAID_AT_ONCE).map((message) => `${nameOf(message, texts)}: ${saidBy(message)}`);
    announce(said.join(" \n"));
  });

  const team = connection.team?.members;
  const avatarUrl = useCallback((name?: string) => team?.find((member) => name && member.name === name)?.avatarUrl, [team]);
  const seenUpTo = Math.max(0, ...(conversation?.seen ?? []).map(({ userType, lastSeenSeq }) => (userType === "visitor" ? 0 : lastSeenSeq)));
  const newestOwn = lastOwn(messages, ({ delivery }) => delivery !== "failed");

  return (
    <div className="scroller">
      <div className="list" ref={scroll.ref} onScroll={scroll.onScroll} role="region" aria-label={texts.messages} tabIndex={0}>
        <ol className="messages">
          {isErrorShown && <Line text={texts.loadFailed} />}
          {isLoadingShown && <Line text={texts.loading} />}
          {rows.map((row) => {
            if (row.type === "day") return <DayLine key={row.key} at={row.at} />;
            if (row.type === "new") return <Line key={row.key} kind="new" text={texts.newMessages} />;
            const { key, message, isFirst, isLast } = row;
            return (
              <Message
                key={key}
                message={message}
                isFirst={isFirst}
                isLast={isLast}
                isSeen={message.seq !== undefined && message.seq <= seenUpTo}
                isNewestOwn={key === newestOwn}
                avatarUrl={message.isOwn ? undefined : avatarUrl(message.senderName)}
                texts={texts}
                language={language}
                onRetry={retry}
                onDiscard={discard}
              />
            );
          })}
          {/* Who was writing when the connection was lost is not known to be writing now. */}
          {conversation && connection.isConnected && <Writing typing={conversation.typing} activity={conversation.activity} avatarUrl={avatarUrl} />}
          {isPersonAwaited(messages) && <Line text={texts.personAsked} />}
          {conversation?.status === "resolved" && messages.length > 0 && <Line text={texts.resolved} />}
          {messages.length === 0 && !isFirstLoad && <Welcome />}
        </ol>
      </div>
      {!scroll.isAtEnd && (
        <button type="button" className="to-end" aria-label={texts.toNewest} onClick={scroll.toEnd}>
          <Icon name="down" />
          {conversation && conversation.unreadCount > 0 && <span aria-hidden="true">{conversation.unreadCount}</span>}
        </button>
      )}
    </div>
  );
}

/** What a screen reader says of a message: its text, or the names of what it brings. */
function saidBy({ content }: ConversationMessage): string {
  const { text, html = "", attachments = [] } = content ?? {};
  // The text of an answer in rich text is usually there as well; of one that is not, the words will do.
  const words = text || html.replace(/<[^>]*>/g, " ");
  return [words, ...attachments.map(({ name }) => name)].filter(Boolean).join(", ").slice(0, 400);
}
