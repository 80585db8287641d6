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
 * Calls back for each message of somebody else that comes while the list is shown; not for older ones that are loaded.
 * What answers a message that was sent here is new, even if it is there before the rest of the conversation is.
 */
export function useIncoming(callback: (message: ConversationMessage) => void): void {
  const { messages, conversation } = useSupport();
  const latest = useRef(callback);
  useInsertionEffect(() => {
    latest.current = callback;
  });
  const newest = messages.filter(({ seq }) => seq !== undefined).at(-1);
  const last = useRef<number>(undefined);
  const firstSent = useRef<string>(undefined);
  const isKnown = !!conversation && !conversation.isLoading;
  useEffect(() => {
    firstSent.current ??= messages.find(({ isOwn, seq }) => isOwn && seq === undefined)?.key;
    if (!isKnown) return;
    const before = last.current ?? messages.find(({ key }) => key === firstSent.current)?.seq;
    last.current = newest?.seq ?? 0;
    if (newest && !newest.isOwn && !newest.isDeleted && before !== undefined && (newest.seq ?? 0) > before) latest.current(newest);
  }, [isKnown, newest, messages]);
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
