/** What was written on a page of this tab that went before it was known whose it was. */

import type { Core } from "./core.js";
import type { OutgoingMessage } from "./replica/types.js";

/** How the journals of this tab begin; by itself it is the name of the person to whom the tab belongs. */
const prefixOf = (journal: string) => journal.split(`${performance.timeOrigin}`)[0] ?? journal;

/**
 * Takes what earlier pages of this tab left for this person, oldest first.
 *
 * Nobody had said who wrote it. It is theirs whom the tab belonged to before and belongs to now; of anyone else it may
 * neither be sent nor shown, and is dropped.
 */
export function takeJournals({ journal, log }: Core, name: string | undefined): OutgoingMessage[] {
  try {
    const prefix = prefixOf(journal);
    const keys = Object.keys(sessionStorage).filter((key) => key.startsWith(prefix) && key > prefix);
    const earlier = keys.filter((key) => !key.startsWith(`${prefix}${performance.timeOrigin}`)).sort();
    const texts = earlier.map((key) => sessionStorage.getItem(key) ?? "[]");
    for (const key of earlier) sessionStorage.removeItem(key);
    if (name !== undefined && sessionStorage.getItem(prefix) === name) {
      return texts.flatMap((text) => JSON.parse(text) as OutgoingMessage[]);
    }
    if (texts.length) log("messages dropped: nobody knows who wrote them");
  } catch {
    // There is no such storage.
  }
  return [];
}

/** From now on the tab is this person's, or nobody's. */
export function claimTab({ journal }: Core, name: string | undefined): void {
  try {
    if (name === undefined) sessionStorage.removeItem(prefixOf(journal));
    else sessionStorage.setItem(prefixOf(journal), name);
  } catch {
    // There is no such storage.
  }
}

/** What this page wrote there is kept elsewhere by now. */
export function forgetJournal({ journal }: Core): void {
  try {
    sessionStorage.removeItem(journal);
  } catch {
    // There is no such storage.
  }
}
