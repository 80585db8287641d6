/** What one has begun to write, by person and conversation: it stays over any switch, and over a reload. */

import type { Attachment } from "@cossistant/react/websocket";
import { useCallback, useMemo, useSyncExternalStore } from "react";

import { createKeptMap, isRecord, useKept } from "../kept.js";
import { useSigned } from "../session/context.js";

/** An answer, or a note, that was not sent yet. */
export interface Draft {
  readonly text: string;
  /** Whether it is a note for the team. */
  readonly isNote: boolean;
  readonly attachments: readonly Attachment[];
}

/** How many are kept; of more, the oldest go. */
const MAX = 200;

/** Nothing begun. */
export const EMPTY: Draft = { text: "", isNote: false, attachments: [] };

/** All drafts of a browser, by `keyOf`. */
const allDrafts = createKeptMap("draft", MAX, draftOf);

/** Whose a draft is. Several people may use one browser, at once or after each other, and answer as themselves. */
type Person = Pick<ReturnType<typeof useSigned>["me"], "org" | "sub">;

function keyOf({ org, sub }: Person, conversationId: string): string {
  return `${org} ${sub} ${conversationId}`;
}

/** A conversation's draft of whoever is signed in, and how to change it. */
export function useDraft(conversationId: string): [Draft, (changes: Partial<Draft>) => void] {
  const { me } = useSigned();
  const draft = useSyncExternalStore(allDrafts.subscribe, () => allDrafts.get().get(keyOf(me, conversationId)) ?? EMPTY);
  const change = useCallback((changes: Partial<Draft>) => changeDraft(me, conversationId, changes), [me, conversationId]);
  return [draft, change];
}

/** Gives the draft of any conversation of whoever is signed in. Another function when one has changed. */
export function useDrafts(): (conversationId: string) => Draft | undefined {
  const { me } = useSigned();
  const drafts = useKept(allDrafts);
  return useMemo(() => (id: string) => drafts.get(keyOf(me, id)), [drafts, me]);
}

/** Changes a draft; one with nothing in it is forgotten. */
export function changeDraft(person: Person, conversationId: string, changes: Partial<Draft>): void {
  allDrafts.set(keyOf(person, conversationId), (before) => {
    const next = { ...EMPTY, ...before, ...changes };
    const isEmpty = next.text === "" && !next.isNote && next.attachments.length === 0;
    return isEmpty ? undefined : next;
  });
}

function draftOf(stored: unknown): Draft | undefined {
  if (!isRecord(stored)) return undefined;
  const { text, isNote, attachments } = stored;
  return {
    text: typeof text === "string" ? text : "",
    isNote: isNote === true,
    attachments: Array.isArray(attachments) ? attachments.filter(isAttachment) : [],
  };
}

function isAttachment(stored: unknown): stored is Attachment {
  return isRecord(stored) && ["id", "url", "type", "name"].every((name) => typeof stored[name] === "string");
}
