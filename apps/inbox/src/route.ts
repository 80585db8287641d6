/** Which conversation is open: the page's address, so that a link, the back button and a reload show the same. */

import { useSyncExternalStore } from "react";

const PATH = /^\/inbox\/([A-Za-z0-9_-]{1,128})$/;
const listeners = new Set<() => void>();

/** The open conversation, by the address. */
export function openConversation(): string | undefined {
  return PATH.exec(location.pathname)?.[1];
}

/** The address of a conversation; of the list without one. */
export function pathOf(conversationId?: string): string {
  return conversationId === undefined ? "/" : `/inbox/${conversationId}`;
}

/** Goes to a conversation, or to the list. Opening one from another takes its place in the history: back means the list. */
export function goTo(conversationId?: string): void {
  const now = openConversation();
  if (now === conversationId) return;
  if (now !== undefined && conversationId !== undefined) history.replaceState(null, "", pathOf(conversationId));
  else history.pushState(null, "", pathOf(conversationId));
  for (const listener of listeners) listener();
}

/** The open conversation, as components show it. */
export function useOpenConversation(): string | undefined {
  return useSyncExternalStore(subscribe, openConversation);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}
