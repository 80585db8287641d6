/** What was written on a page of this tab that went before it was known whose it was. */

import type { Core } from "./core.js";
import type { OutgoingMessage } from "./replica/types.js";

/**
 * Takes what earlier pages of this tab left for this person, oldest first; from now on the tab is this person's.
 *
 * Nobody had said who wrote it. It is theirs whom the tab belonged to before and belongs to now; of anyone else it may
 * neither be sent nor shown, and is dropped.
 */
export function takeJournals({ journal, log }: Core, name: string | undefined): OutgoingMessage[] {
  try {
    const [prefix = ""] = journal.split(`${performance.timeOrigin}`);
    const keys = Object.keys(sessionStorage).filter((key) => key.startsWith(prefix) && key > prefix);
    const earlier = keys.filter((key) => !key.startsWith(`${prefix}${performance.timeOrigin}`)).sort();
    const texts = earlier.map((key) => sessionStorage.getItem(key) ?? "[]");
    const isTheirs = name !== undefined && sessionStorage.getItem(prefix) === name;
    for (const key of earlier) sessionStorage.removeItem(key);
    if (name !== undefined) sessionStorage.setItem(prefix, name);
    if (isTheirs) return texts.flatMap((text) => JSON.parse(text) as OutgoingMessage[]);
    if (texts.length) log("messages dropped: nobody knows who wrote them");
  } catch {
    // There is no such storage.
  }
  return [];
}

/** What this page wrote there is kept elsewhere by now. */
export function forgetJournal({ journal }: Core): void {
  try {
    sessionStorage.removeItem(journal);
  } catch {
    // There is no such storage.
  }
}
