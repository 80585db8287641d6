"use client";

/** The message that is being written. */

import type { Attachment } from "@cossistant/protocol/types";
import { useLayoutEffect, useState } from "react";

import { forTab, keptName } from "../kept.js";
import { usePanel } from "./panel-context.js";

/** A message that is not sent yet. */
export interface Draft {
  readonly text: string;
  readonly attachments: readonly Attachment[];
}

const EMPTY: Draft = { text: "", attachments: [] };

/** The draft of this tab, which outlives reloads and ways through the site. */
export function useDraft() {
  const { options, server } = usePanel();
  const name = keptName("draft", server, options.publicKey);
  const [draft, setDraft] = useState<Draft>(() => read(forTab.get(name)));
  // Before the page can go: what is sent must not stand there again, and the last letter must.
  useLayoutEffect(() => {
    const isEmpty = !draft.text && draft.attachments.length === 0;
    forTab.set(name, isEmpty ? undefined : JSON.stringify(draft));
  }, [draft, name]);
  return {
    draft,
    change: (changes: Partial<Draft>) => setDraft((now) => ({ ...now, ...changes })),
    clear: () => setDraft(EMPTY),
  };
}

function read(kept: string | undefined): Draft {
  try {
    // It was written above, or by nobody.
    return kept === undefined ? EMPTY : { ...EMPTY, ...(JSON.parse(kept) as Partial<Draft>) };
  } catch {
    return EMPTY;
  }
}
