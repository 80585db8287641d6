/**
 * Forgetting what is kept of unanswered messages, when whoever uses the browser next is another person.
 *
 * The names are those of `queue.ts` and `journal.ts`, which are chunks that may not be there yet: nobody may take over
 * what is to be forgotten while they are loaded.
 */

const NAME = "cossistant-queue";
const MESSAGES = "messages";

/**
 * Forgets the unanswered messages that were kept for visitors of this website, whichever page wrote them: those in this
 * tab at once, and those in IndexedDB for which `isMeant` says so by their ids. Resolves when that is done, or when there
 * are none because nothing can be kept; until then no client takes one over that asks after this call.
 */
export async function forgetMessages(publicKey: string, isMeant: (id: string) => boolean = () => true): Promise<void> {
  forgetJournals(publicKey);
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  try {
    // Without them nothing is kept there.
    await locks?.request(NAME, () => forgetRows(` visitor of ${publicKey}`, isMeant));
  } catch (error) {
    console.warn("[cossistant] there may be unsent messages that are kept", error);
  }
}

function forgetJournals(publicKey: string): void {
  try {
    const isOurs = (key: string): boolean => key.startsWith(`${NAME} `) && key.includes(` ${publicKey} `);
    for (const key of Object.keys(sessionStorage).filter(isOurs)) sessionStorage.removeItem(key);
  } catch {
    // There is no such storage.
  }
}

async function forgetRows(ending: string, isMeant: (id: string) => boolean): Promise<void> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(MESSAGES, { autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const transaction = database.transaction(MESSAGES, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      const cursors = transaction.objectStore(MESSAGES).openCursor();
      cursors.onsuccess = () => {
        const cursor = cursors.result;
        if (!cursor) return;
        // `Row` of `queue.ts`.
        const { name, message } = cursor.value as { name: string; message: { id: string } };
        if (name.endsWith(ending) && isMeant(message.id)) cursor.delete();
        cursor.continue();
      };
    });
  } finally {
    database.close();
  }
}
