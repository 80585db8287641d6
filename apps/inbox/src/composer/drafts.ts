/** What one has begun to write, by conversation: it stays over any switch, and over a reload. */

import type { Attachment } from "@cossistant/react/websocket";
import { useCallback, useSyncExternalStore } from "react";

import { createKept, isRecord } from "../kept.js";

/** An answer, or a note, that was not sent yet. */
export interface Draft {
  readonly text: string;
  /** Whether it is a note for the team. */
  readonly isNote: boolean;
  readonly attachments: readonly Attachment[];
}

type Drafts = Readonly<Record<string, Draft>>;

/** How many are kept; of more, the oldest go. */
const MAX = 200;

/** Nothing begun. */
export const EMPTY: Draft = { text: "", isNote: false, attachments: [] };

/** All drafts, by conversation. */
export const allDrafts = createKept<Drafts>("drafts", (stored) => {
  if (!isRecord(stored)) return {};
  return Object.fromEntries(Object.entries(stored).flatMap(([id, draft]) => (isRecord(draft) ? [[id, draftOf(draft)]] : [])));
});

/** A conversation's draft, and how to change it. */
export function useDraft(conversationId: string): [Draft, (changes: Partial<Draft>) => void] {
  const draft = useSyncExternalStore(allDrafts.subscribe, () => allDrafts.get()[conversationId] ?? EMPTY);
  const change = useCallback((changes: Partial<Draft>) => changeDraft(conversationId, changes), [conversationId]);
  return [draft, change];
}

/** Changes a draft; one with nothing in it is forgotten. */
export function changeDraft(conversationId: string, changes: Partial<Draft>): void {
  allDrafts.set((old) => {
    const { [conversationId]: before = EMPTY, ...others } = old;
    const next = { ...before, ...changes };
    const isEmpty = next.text === "" && !next.isNote && next.attachments.length === 0;
    if (isEmpty) return others;
    return Object.fromEntries([...Object.entries(others).slice(1 - MAX), [conversationId, next]]);
  });
}

function draftOf({ text, isNote, attachments }: Record<string, unknown>): Draft {
  return {
    text: typeof text === "string" ? text : "",
    isNote: isNote === true,
    attachments: Array.isArray(attachments) ? attachments.filter(isAttachment) : [],
  };
}

function isAttachment(stored: unknown): stored is Attachment {
  return isRecord(stored) && ["id", "url", "type", "name"].every((name) => typeof stored[name] === "string");
}
