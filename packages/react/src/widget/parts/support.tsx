"use client";

/** What the parts of the widget share, and the hook with which anybody can make parts of their own. */

import type { ConversationMessage } from "@cossistant/client";
import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";

import { languageOf, serverOf, type SupportOptions } from "../options.js";
import { createSession, type SupportSession, type SupportSnapshot } from "../session.js";

const SessionContext = createContext<SupportSession | undefined>(undefined);

/** What `SupportProvider` takes. */
export interface SupportProviderProps {
  /** Where to connect, and as a visitor of which website. Another key or server makes another session. */
  options: Pick<SupportOptions, "publicKey" | "server" | "identityToken" | "connection">;
  /** Whose hooks use the session. */
  children?: ReactNode;
}

/**
 * Keeps a visitor's session while it is mounted, for parts of one's own: see `useSupport`. Connects at once. Until it is
 * mounted, and on a server, nothing is rendered.
 */
export function SupportProvider({ options, children }: SupportProviderProps) {
  const { publicKey, identityToken } = options;
  const { connection } = options;
  const [session, setSession] = useState<SupportSession>();
  useEffect(() => {
    const made = createSession({ server: serverOf({ publicKey, server: options.server }), publicKey, connection });
    setSession(made);
    return made.end;
    // How a connection behaves is taken from the first render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [publicKey, options.server]);
  useEffect(() => {
    if (identityToken) session?.identify(identityToken).catch((error: unknown) => console.error("[cossistant] bad_identity_token:", error));
  }, [session, identityToken]);
  return session && <SessionProvider session={session}>{children}</SessionProvider>;
}

/** Gives a session that somebody else keeps. */
export function SessionProvider({ session, children }: { session: SupportSession; children?: ReactNode }) {
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}

/** What `useSupport` gives: what is so now, and what can be done. Functions keep their identity. */
export interface UseSupportReturn
  extends SupportSnapshot,
    Pick<SupportSession, "send" | "retry" | "discard" | "setTyping" | "stopTyping" | "markSeen" | "loadMore" | "startNew" | "retryNow" | "identify" | "reset" | "onIncoming"> {
  /** The messages of the conversation; none before there is one. */
  readonly messages: readonly ConversationMessage[];
}

const NONE: readonly ConversationMessage[] = Object.freeze([]);

/**
 * The visitor's session of the nearest `SupportProvider`. Renders when something in it changes.
 *
 * @throws Error outside of a provider.
 */
export function useSupport(): UseSupportReturn {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSupport needs a <SupportProvider> above it");
  const snapshot = useSyncExternalStore(session.subscribe, session.getSnapshot, session.getSnapshot);
  const functions = useMemo(() => {
    const { subscribe, getSnapshot, end, ...rest } = session;
    return rest;
  }, [session]);
  return { ...snapshot, messages: snapshot.conversation?.messages ?? NONE, ...functions };
}

/** The language and the clock of a part: dates are shown in the one, and change with the other. */
export function useNow(interval: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}

/** The language of these options, on a page. */
export const useLanguage = (options: SupportOptions): string => useMemo(() => languageOf(options), [options]);
