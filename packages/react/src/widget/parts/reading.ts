"use client";

/** What the visitor has read, and what is new. */

import type { ConversationMessage } from "@cossistant/client";
import { useEffect, useInsertionEffect, useRef, useState } from "react";

import { usePanel } from "./panel-context.js";
import { useSupport } from "./support.js";

/** The key of the first message that was new when the panel was opened, for as long as it stays open. */
export function useFirstNew(): string | undefined {
  const { isOpen } = usePanel();
  const { conversation } = useSupport();
  const [firstNew, setFirstNew] = useState<string>();
  const isDue = useRef(true);
  // How far the visitor has read is known with the subscription.
  const isKnown = conversation?.subscription?.type === "confirmed" && !conversation.isLoading;
  useEffect(() => {
    if (!isOpen) isDue.current = true;
    if (!isOpen || !isKnown || !isDue.current) return;
    isDue.current = false;
    const { messages, unreadCount } = conversation;
    const others = messages.filter(({ isOwn, isDeleted }) => !isOwn && !isDeleted);
    setFirstNew(unreadCount > 0 ? others.at(-unreadCount)?.key : undefined);
  }, [isOpen, isKnown, conversation]);
  return firstNew;
}

/** Says that the messages are seen: while the panel is open, its end in sight and the page looked at. */
export function useMarkSeen(isAtEnd: boolean): void {
  const { isOpen } = usePanel();
  const { conversation, markSeen, unreadCount } = useSupport();
  const isVisible = useIsVisible();
  const isKnown = conversation?.subscription?.type === "confirmed";
  useEffect(() => {
    if (isOpen && isAtEnd && isVisible && isKnown && unreadCount > 0) markSeen();
  }, [isOpen, isAtEnd, isVisible, isKnown, unreadCount, markSeen]);
}

/**
 * Calls back with what others say while the list is shown; not with older messages that are loaded. What answers a
 * message of one's own is new, even if both are there before the rest of the conversation is.
 */
export function useIncoming(callback: (messages: readonly ConversationMessage[]) => void): void {
  const { messages, conversation } = useSupport();
  const latest = useRef(callback);
  useInsertionEffect(() => {
    latest.current = callback;
  });
  const last = useRef<number>(undefined);
  const firstOwn = useRef<string>(undefined);
  const isKnown = !!conversation && !conversation.isLoading;
  useEffect(() => {
    // Whose own message is there before the conversation is has sent it here; its place may be known at once.
    firstOwn.current ??= messages.find(({ isOwn, seq }) => isOwn && (seq === undefined || !isKnown))?.key;
    if (!isKnown) return;
    const before = last.current ?? messages.find(({ key }) => key === firstOwn.current)?.seq;
    last.current = Math.max(0, ...messages.map(({ seq = 0 }) => seq));
    if (before === undefined) return;
    const incoming = messages.filter(({ isOwn, isDeleted, seq = 0 }) => !isOwn && !isDeleted && seq > before);
    if (incoming.length > 0) latest.current(incoming);
  }, [isKnown, messages]);
}

function useIsVisible(): boolean {
  const [isVisible, setVisible] = useState(() => !document.hidden);
  useEffect(() => {
    const look = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return isVisible;
}
