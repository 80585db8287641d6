"use client";

import {
  createClient,
  type Client,
  type ConversationSnapshot,
  type ConversationStore,
  type InboxFilter,
  type InboxSnapshot,
  type InboxStore,
} from "@cossistant/client";

import { useProvided } from "./provider.js";
import { useEffect, useMemo, useSyncExternalStore } from "./react.js";
import { follow } from "./registry.js";
import { useWebSocketSelector } from "./select.js";

type Functions<Store> = Omit<Store, "subscribe" | "getSnapshot">;

/** A conversation, and what can be done in it. Functions keep their identity while the conversation is the same. */
export interface UseConversationReturn extends ConversationSnapshot, Functions<ConversationStore> {
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
  const [store, getServerSnapshot] = useReplica((client) => client.conversation(conversationId), entry.client, conversationId);
  const functions = useMemo(() => {
    const { subscribe, getSnapshot, ...functions } = store;
    const send: ConversationStore["send"] = (...message) => follow(entry, store.send(...message));
    return { ...functions, send };
  }, [entry, store]);
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, getServerSnapshot);
  return { ...snapshot, ...functions, online: snapshot.isVisitorOnline ?? online };
}

/** A website's conversations, and what can be done with the list. Functions keep their identity. */
export interface UseInboxReturn extends InboxSnapshot, Functions<InboxStore> {}

/**
 * The conversations of a website, for the team: subscribed to, loaded page by page and kept up to date while the
 * component is mounted; newest activity first.
 *
 * `filter` may be written inline. A website has one list with one filter for each connection: without `filter` a
 * component shows whatever another one has chosen, and `{}` shows all again. Renders when something in the list changes.
 */
export function useInbox(websiteId: string, filter?: InboxFilter): UseInboxReturn {
  const { client } = useProvided("useInbox").entry;
  const [store, getServerSnapshot] = useReplica((client) => client.inbox(websiteId), client, websiteId);
  const { setFilter, loadMore } = store;
  const isFiltered = !!filter;
  const { status, assignee, search } = filter ?? {};
  // Before anybody listens, so that nothing is loaded that is not to be shown.
  useEffect(() => {
    if (isFiltered) setFilter({ ...(status && { status }), ...(assignee && { assignee }), ...(search && { search }) });
  }, [setFilter, isFiltered, status, assignee, search]);
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, getServerSnapshot);
  return { ...snapshot, setFilter, loadMore };
}

/** The store of this id; and what one shows that was never connected, for a server and for taking over its page. */
function useReplica<Store extends ConversationStore | InboxStore>(open: (client: Client) => Store, client: Client, id: string) {
  // `open` depends on the id, and on nothing else that changes.
  return useMemo(() => {
    let empty: ReturnType<Store["getSnapshot"]> | undefined;
    // A store gives its own kind of snapshot.
    const getServerSnapshot = () => (empty ??= open(createClient()).getSnapshot() as ReturnType<Store["getSnapshot"]>);
    return [open(client), getServerSnapshot] as const;
  }, [client, id]);
}
