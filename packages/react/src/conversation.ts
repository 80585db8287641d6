"use client";

import type { ConversationSnapshot, ConversationStore, InboxFilter, InboxSnapshot, InboxStore } from "@cossistant/client";
import { useEffect, useMemo, useSyncExternalStore } from "react";

import { emptyConversation, emptyInbox } from "./empty.js";
import { useProvided } from "./provider.js";
import { follow } from "./registry.js";
import { useWebSocketSelector } from "./select.js";

/** A conversation, and what can be done in it. Functions keep their identity while the conversation is the same. */
export interface UseConversationReturn
  extends ConversationSnapshot,
    Omit<ConversationStore, "subscribe" | "getSnapshot"> {
  /**
   * Whether the other side is there: for the team the visitor, for a visitor anybody of the team. Undefined until known.
   */
  readonly online: boolean | undefined;
}

/**
 * A conversation of the nearest provider's connection: subscribed to, loaded and kept up to date while the component is
 * mounted. One's own messages are in it at once, and say by `delivery` how far they have come.
 *
 * Renders when something in the conversation changes, however many events that took, and for nothing else.
 * Two components with the same id share what is known of it.
 */
export function useConversation(conversationId: string): UseConversationReturn {
  const { entry } = useProvided("useConversation");
  const online = useWebSocketSelector(({ team }) => team?.online);
  const { store, functions, getServerSnapshot } = useMemo(() => {
    const store = entry.client.conversation(conversationId);
    const { retry, discard, setTyping, stopTyping, markSeen, setViewing, loadMore, edit, remove, update } = store;
    const send: ConversationStore["send"] = (...message) => follow(entry, store.send(...message));
    const empty = emptyConversation(conversationId);
    return {
      store,
      functions: { send, retry, discard, setTyping, stopTyping, markSeen, setViewing, loadMore, edit, remove, update },
      getServerSnapshot: () => empty,
    };
  }, [entry, conversationId]);
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, getServerSnapshot);
  return { ...snapshot, ...functions, online: snapshot.isVisitorOnline ?? online };
}

/** A website's conversations, and what can be done with the list. Functions keep their identity. */
export interface UseInboxReturn extends InboxSnapshot, Omit<InboxStore, "subscribe" | "getSnapshot"> {}

/**
 * The conversations of a website, for the team: subscribed to, loaded page by page and kept up to date while the
 * component is mounted; newest activity first.
 *
 * `filter` may be written inline. A website has one list with one filter for each connection: without `filter` a
 * component shows whatever another one has chosen, and `{}` shows all again. Renders when something in the list changes.
 */
export function useInbox(websiteId: string, filter?: InboxFilter): UseInboxReturn {
  const { client } = useProvided("useInbox").entry;
  const [{ subscribe, getSnapshot, setFilter, loadMore }, getServerSnapshot] = useMemo(() => {
    const empty = emptyInbox(websiteId);
    return [client.inbox(websiteId), () => empty] as const;
  }, [client, websiteId]);
  const { status, assignee, search } = filter ?? {};
  const isFiltered = !!filter;
  // Before anybody listens, so that nothing is loaded that is not to be shown.
  useEffect(() => {
    if (isFiltered) setFilter({ status, assignee, search });
  }, [setFilter, isFiltered, status, assignee, search]);
  const snapshot = useSyncExternalStore(subscribe, getSnapshot, getServerSnapshot);
  return { ...snapshot, setFilter, loadMore };
}
