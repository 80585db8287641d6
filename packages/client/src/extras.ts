/** What only some clients have: a connection shared with other tabs, and messages that outlive their page. */

import type { WebSocketConfig } from "./config.js";
import type { Core } from "./core.js";
import { claimTab, forgetJournal, takeJournals } from "./journal.js";
import { principalName } from "./principal.js";
import type { Queue } from "./queue.js";
import type { DeliveryChange } from "./replica/types.js";

/** What there is of it. */
export interface Extras {
  /** It is known as whom the client connects: the messages of an earlier page are taken in. */
  known(): Promise<void>;
  /** A message has come a step further. */
  note(change: DeliveryChange): void;
  /** The client ends; what is kept stays for the next one. */
  end(): void;
}

/**
 * Gives a client what it is to have. What is not possible here is done without; rejects when the code for it cannot be
 * loaded, which says nothing of that: without it, messages of an earlier page would be left behind.
 */
export async function addExtras(
  core: Core,
  { shareAcrossTabs, persistQueue, getToken }: WebSocketConfig,
): Promise<void> {
  let begun: Promise<void> | undefined;
  let name: string | undefined;
  let queue: Queue | undefined;
  const [tabs, queues] = await Promise.all([
    shareAcrossTabs ? import("./tabs.js") : undefined,
    persistQueue ? import("./queue.js") : undefined,
  ]);

  const failed = (what: string) => (error: unknown) => core.log(`${what} is not possible here`, error);

  const adopt = async () => {
    const { outgoing } = core;
    const journaled = takeJournals(core, name);
    const adopted = queue?.adopt();
    // It keeps from now on, so what was written sooner need not wait for what pages of long ago left.
    for (const message of [...journaled, ...outgoing.list().map(({ message }) => message)]) queue?.keep(message);
    const restored = (await adopted) ?? [];
    // One that has ended meanwhile has nobody to show them to; they stay for the next one.
    if (!core.isDestroyed) outgoing.restore([...restored, ...journaled]);
  };

  const begin = async () => {
    try {
      await adopt();
    } catch (error) {
      failed("restoring messages")(error);
    }
    forgetJournal(core);
    if (core.isDestroyed) return;
    core.isReady = true;
    core.session.input(...core.outgoing.replay());
  };

  const extras: Extras = {
    async known() {
      // What earlier pages left is not for one that has ended.
      if (core.isDestroyed) return;
      try {
        name = principalName(core.credentials.endpoint());
      } catch {
        // Where to connect is no URL, which dialling says.
      }
      // Another person by now: what they left is taken in by a page that begins as them.
      queue?.rename(name);
      // It looks at once, and must see whose the tab was before.
      begun ??= begin();
      claimTab(core, name);
      await begun;
    },
    note(change) {
      if (change.type === "queued") queue?.keep(change.message);
      else if (change.type !== "sending" && !core.isDestroyed) queue?.forget(change.message.id);
    },
    end: () => queue?.end(),
  };
  core.extras = extras;
  try {
    if (tabs) core.dial = tabs.createSharedDial(core.dial, core.log);
  } catch (error) {
    failed("sharing a connection")(error);
  }
  try {
    queue = await queues?.openQueue(core.log);
  } catch (error) {
    failed("keeping messages")(error);
  }
  // It may have ended while this was loaded and opened; what nobody closes is held for as long as the page lives.
  if (core.isDestroyed) return extras.end();
  if (!persistQueue || !getToken) await extras.known();
}
