/** Unanswered messages that outlive their page, in IndexedDB. */

import type { Log } from "./log.js";
import type { OutgoingMessage } from "./replica/types.js";

const DATABASE = "cossistant-queue";
const MESSAGES = "messages";

/** How long other pages' locks are waited for, in ms: one that loads anew may come before its old lock is let go. */
const LEAVING = 500;

/** A kept message. Keys rise in the order in which messages were sent, over all tabs. */
interface Row {
  /** The page that answers for it; an orphan when that page is gone. */
  owner: string;
  /** At which server, and as whom: nobody else may send it. */
  readonly name: string;
  readonly message: OutgoingMessage;
}

/** The kept messages of one page. */
export interface Queue {
  /** Keeps messages for this principal from now on; while nobody knows for whom, it keeps none. */
  rename(name: string | undefined): void;
  /** Takes over the principal's messages of pages that are gone, in order. */
  adopt(): Promise<OutgoingMessage[]>;
  /** Keeps a message, unless it is kept. If that fails, the message is in memory all the same. */
  keep(message: OutgoingMessage): void;
  /** A message is done with. */
  forget(id: string): void;
  /** The page ends; another one may take over what is left. */
  end(): void;
}

/**
 * Opens the queue of this page. Rejects where there is no IndexedDB, or no Web Locks to tell which pages are gone.
 *
 * Each page holds a lock by its own name for as long as it lives, so rows of an owner whose lock nobody holds are
 * orphans. Taking them over is done by one page at a time, in one transaction, so no message has two owners.
 */
export async function openQueue(log: Log): Promise<Queue> {
  const { locks } = navigator;
  const database = await open();
  const owner = crypto.randomUUID();
  const letGo = await holdLock(locks, lockName(owner));
  const keys = new Map<string, Promise<IDBValidKey | undefined>>();
  let name: string | undefined;

  const failed = (error: unknown) => log("a message cannot be kept", error);

  return {
    rename(next) {
      name = next;
    },
    async adopt() {
      if (name === undefined) return [];
      const ofName = name;
      return locks.request(DATABASE, async () => {
        const owners = await ownersIn(database, ofName);
        owners.delete(owner);
        const orphaned = await findGone(locks, owners);
        const adopted: OutgoingMessage[] = [];
        const transaction = database.transaction(MESSAGES, "readwrite");
        const cursors = transaction.objectStore(MESSAGES).openCursor();
        cursors.onsuccess = () => {
          const cursor = cursors.result;
          if (!cursor) return;
          const row: Row = cursor.value;
          if (row.name === ofName && orphaned.has(row.owner)) {
            if (keys.has(row.message.id)) {
              // Its page went while it kept the message in two places.
              cursor.delete();
            } else {
              cursor.update({ ...row, owner });
              keys.set(row.message.id, Promise.resolve(cursor.primaryKey));
              adopted.push(row.message);
            }
          }
          cursor.continue();
        };
        await completed(transaction);
        return adopted;
      });
    },
    keep(message) {
      if (name === undefined || keys.has(message.id)) return;
      const row: Row = { owner, name, message };
      const key = write(database, (rows) => rows.add(row));
      keys.set(
        message.id,
        key.catch((error: unknown) => void failed(error)),
      );
    },
    forget(id) {
      const kept = keys.get(id);
      keys.delete(id);
      kept
        ?.then((key) => (key === undefined ? undefined : write(database, (rows) => rows.delete(key))))
        .catch(failed);
    },
    end() {
      // What was begun is completed all the same.
      database.close();
      letGo();
    },
  };
}

function lockName(owner: string): string {
  return `${DATABASE} ${owner}`;
}

/** The pages that answer for messages of this name. */
async function ownersIn(database: IDBDatabase, name: string): Promise<Set<string>> {
  const transaction = database.transaction(MESSAGES);
  const rows: IDBRequest<Row[]> = transaction.objectStore(MESSAGES).getAll();
  await completed(transaction);
  return new Set(rows.result.filter((row) => row.name === name).map(({ owner }) => owner));
}

/** Which of these pages are gone, or go within `LEAVING`. */
async function findGone(locks: LockManager, owners: ReadonlySet<string>): Promise<Set<string>> {
  const gone = new Set<string>();
  const signal = AbortSignal.timeout(LEAVING);
  const ask = (owner: string) => locks.request(lockName(owner), { signal }, () => void gone.add(owner));
  await Promise.allSettled([...owners].map(ask));
  return gone;
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(MESSAGES, { autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Makes one change; resolves with its result once it is committed. Told to commit at once, the database does so also
 * when the page has gone by then.
 */
async function write<Result>(
  database: IDBDatabase,
  change: (rows: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> {
  const transaction = database.transaction(MESSAGES, "readwrite");
  const request = change(transaction.objectStore(MESSAGES));
  transaction.commit();
  await completed(transaction);
  return request.result;
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    // Running out of room aborts without an error of a request.
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Resolves once the lock is held, with what lets it go. */
function holdLock(locks: LockManager, name: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    locks.request(name, () => new Promise<void>((letGo) => resolve(letGo))).catch(reject);
  });
}
