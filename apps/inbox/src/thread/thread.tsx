import { useConversation, useWebSocketSelector, type ConversationMessage, type RequestError } from "@cossistant/react/websocket";
import { useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";

import { Composer, type ComposerHandle } from "../composer/composer.js";
import type { Rows } from "../list/rows.js";
import { usePanel } from "../panel/use-panel.js";
import { useVisitor } from "../panel/visitor.js";
import { VisitorPanel } from "../panel/visitor-panel.js";
import { visitorName } from "../people/names.js";
import { goTo } from "../route.js";
import { useSigned } from "../session/context.js";
import { useShortcuts } from "../shell/shortcuts.js";
import { later } from "../ui/later.js";
import { say } from "../ui/toasts.js";
import { Header } from "./header.js";
import type { MessageActions } from "./message.js";
import { ThreadNotFound } from "./thread-states.js";
import { Timeline } from "./timeline.js";
import { useFacts } from "./use-facts.js";

const Confirm = later(async () => (await import("../ui/confirm.js")).Confirm);

interface ThreadProps {
  conversationId: string;
  rows: Rows;
}

/** What is known of others only while there is a connection. */
const UNKNOWN = { activity: [], viewing: [], isVisitorOnline: undefined };

/** One conversation: what was said, where to answer, and who it is with. Give it the id as its `key`. */
export function Thread({ conversationId, rows }: ThreadProps) {
  const known = useConversation(conversationId);
  const isConnected = useWebSocketSelector((connection) => connection.isConnected);
  const conversation = isConnected ? known : { ...known, ...UNKNOWN };
  const { retry, discard, edit, remove, setViewing, messages, subscription, error } = conversation;
  const { me } = useSigned();
  const [isPanelOpen, showPanel] = usePanel();
  const row = rows.get(conversationId);
  const visitorId = conversation.visitorId ?? row?.visitorId;
  const visitor = useVisitor(visitorId);
  const name = visitorId === undefined ? "…" : visitorName(visitor.data?.identity ?? row?.visitor, visitorId);
  const [edited, setEdited] = useState<string>();
  const [doomed, setDoomed] = useState<ConversationMessage>();
  const composer = useRef<ComposerHandle>(null);
  const facts = useFacts(conversation, rows);

  useEffect(() => {
    setViewing(true);
    return () => setViewing(false);
  }, [setViewing]);

  const actions = useMemo<MessageActions>(
    () => ({
      onRetry: retry,
      onDiscard: discard,
      onEdit(key) {
        if (key !== undefined) return setEdited(key);
        // What one does next is to write: no key may come between, when what had the focus is gone. Who is elsewhere stays there.
        flushSync(() => setEdited(undefined));
        if (document.activeElement === document.body) composer.current?.focus();
      },
      onSave: async ({ messageId, content }, text) => {
        if (messageId === undefined) return undefined;
        return edit(messageId, { ...content, text }).then(
          () => undefined,
          (failure: RequestError) => failure,
        );
      },
      onDelete: setDoomed,
    }),
    [retry, discard, edit],
  );
  const destroy = (messageId: string): void => {
    remove(messageId).catch((failure: RequestError) => {
      say(failure.status === 0 ? "Not deleted: no connection." : "Not deleted: the server refused it.");
    });
  };
  const editLast = (): void => {
    const own = messages.findLast(({ isOwn, isDeleted, messageId, content }) => isOwn && !isDeleted && messageId && !content?.html);
    if (own) setEdited(own.key);
  };

  useShortcuts({
    r: () => composer.current?.focus(false),
    n: () => composer.current?.focus(true),
    e: facts.toggleResolved,
    a: () => facts.assign(facts.assignee === me.sub ? null : me.sub),
    p: () => showPanel(!isPanelOpen),
    u: () => goTo(undefined),
    Escape: () => goTo(undefined),
  });

  if (subscription?.type === "refused" || error?.status === 404 || error?.status === 403) {
    return (
      <section className="thread-pane" aria-label="Conversation">
        <ThreadNotFound />
      </section>
    );
  }
  return (
    <>
      <section className="thread-pane" aria-label="Conversation">
        <Header
          conversation={conversation}
          name={name}
          status={facts.status}
          assignee={facts.assignee}
          isPanelOpen={isPanelOpen}
          onStatus={facts.setStatus}
          onAssign={facts.assign}
          onTogglePanel={() => showPanel(!isPanelOpen)}
        />
        <button type="button" className="button skip" onClick={() => composer.current?.focus()}>
          To the answer
        </button>
        <Timeline conversation={conversation} visitorName={name} edited={edited} actions={actions} />
        <Composer ref={composer} conversation={conversation} visitorName={name} onEditLast={editLast} />
      </section>
      {isPanelOpen && visitorId !== undefined && (
        <VisitorPanel
          conversationId={conversationId}
          visitorId={visitorId}
          name={name}
          isOnline={conversation.isVisitorOnline}
          onClose={() => showPanel(false)}
        />
      )}
      <Confirm
        title="Delete this message?"
        description="It disappears for everybody, the visitor too. This cannot be undone."
        action="Delete"
        isOpen={doomed !== undefined}
        onConfirm={() => doomed?.messageId !== undefined && destroy(doomed.messageId)}
        onClose={() => setDoomed(undefined)}
      />
    </>
  );
}
