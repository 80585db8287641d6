/** Web Locks as a browser has them, for as many pages as a test plays: exclusive ones, with `ifAvailable`, `steal` and `signal`. */

interface Waiter {
  grant(): void;
}

interface Held {
  readonly name: string;
  /** Ends the holding; a page that crashed, or from which the lock was stolen, does not end it itself. */
  breakUp(error: Error): void;
}

/** The locks of one origin. */
export interface Locks {
  readonly manager: LockManager;
  /** Ends all that is held by names that match, as when their pages are gone. */
  crash(isMeant: (name: string) => boolean): void;
  held(): string[];
}

/** Makes the locks of an origin. */
export function makeLocks(): Locks {
  const held = new Map<string, Held>();
  const queues = new Map<string, Waiter[]>();
  const aborted = () => new DOMException("the lock is gone", "AbortError");

  const next = (name: string) => {
    if (!held.has(name)) queues.get(name)?.shift()?.grant();
  };

  const hold = async (name: string, callback: (lock: Lock | null) => unknown): Promise<unknown> => {
    let breakUp: (error: Error) => void = () => {};
    const broken = new Promise<never>((_, reject) => (breakUp = reject));
    broken.catch(() => {});
    const own: Held = { name, breakUp };
    held.set(name, own);
    const letGo = () => {
      if (held.get(name) === own) held.delete(name);
      next(name);
    };
    // As in a browser, the callback runs in a task of its own.
    const done = new Promise((resolve) => setImmediate(resolve)).then(() => callback({ name, mode: "exclusive" }));
    return Promise.race([done, broken]).finally(letGo);
  };

  const request = (name: string, first: unknown, second?: unknown): Promise<unknown> => {
    const [options, callback] = (second ? [first, second] : [{}, first]) as [
      LockOptions,
      (lock: Lock | null) => unknown,
    ];
    if (options.steal) {
      const owner = held.get(name);
      const stolen = hold(name, callback);
      owner?.breakUp(aborted());
      return stolen;
    }
    if (!held.has(name)) return hold(name, callback);
    if (options.ifAvailable) return Promise.resolve().then(() => callback(null));
    return new Promise((resolve, reject) => {
      const queue = queues.get(name) ?? [];
      queues.set(name, queue);
      const waiter: Waiter = { grant: () => hold(name, callback).then(resolve, reject) };
      queue.push(waiter);
      options.signal?.addEventListener("abort", () => {
        const at = queue.indexOf(waiter);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(aborted());
      });
    });
  };

  const query = async () => ({ held: [...held.values()].map(({ name }) => ({ name })), pending: [] });
  return {
    manager: { request, query } as unknown as LockManager,
    crash(isMeant) {
      for (const [name, owner] of [...held]) if (isMeant(name)) owner.breakUp(aborted());
    },
    held: () => [...held.keys()],
  };
}
