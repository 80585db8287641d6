/** What only some clients have, each a chunk of its own: a connection shared with other tabs, and kept messages. */

import type { Core } from "./core.js";
import { dialSocket, type Dial } from "./link.js";
import type { Queue } from "./queue.js";
import type { DeliveryChange } from "./replica/types.js";

/** What there is of it. Without any, messages are in memory and the client has its own socket. */
export interface Extras {
  /** Loads what this client needs. */
  prepare(): Promise<void>;
  /** It is known as whom the client connects: the messages of an earlier page are taken in. */
  known(): Promise<void>;
  /** Whether messages may be handed to the engine: not before those of an earlier page. */
  isReady(): boolean;
  /** A message has come a step further. */
  note(change: DeliveryChange): void;
  /** Opens links. */
  dial: Dial;
  /** The client ends; what is kept stays for the next one. */
  end(): void;
}

/** Makes the extras of a client, which are loaded later. */
export function createExtras(core: () => Core): Extras {
  let loading: Promise<void> | undefined;
  let adopting: Promise<void> | undefined;
  let queue: Queue | undefined;
  let isAdopted = false;

  const failed = (what: string) => (error: unknown) => core().log(`${what} is not possible here`, error);

  const load = async () => {
    const { log, choices } = core();
    const { shareAcrossTabs, persistQueue, getToken } = choices.config;
    const sharing = async () => {
      extras.dial = (await import("./tabs.js")).createSharedDial(dialSocket, log);
    };
    const keeping = async () => {
      queue = await (await import("./queue.js")).openQueue(log);
    };
    await Promise.all([
      shareAcrossTabs && sharing().catch(failed("sharing a connection")),
      persistQueue && keeping().catch(failed("keeping messages")),
    ]);
    if (!queue || !getToken) await extras.known();
  };

  const adopt = async () => {
    const { credentials, outgoing, session } = core();
    if (queue) {
      const restored = queue.adopt(credentials.endpoint()).catch((error: unknown) => {
        failed("restoring messages")(error);
        return [];
      });
      outgoing.restore(await restored);
      for (const { message } of outgoing.list()) queue.keep(message);
    }
    isAdopted = true;
    session.input(...outgoing.replay());
  };

  const extras: Extras = {
    prepare: () => (loading ??= load()),
    known: () => (adopting ??= adopt()),
    isReady: () => isAdopted || !core().choices.config.persistQueue,
    note(change) {
      if (change.type === "queued") queue?.keep(change.message);
      else if (change.type !== "sending" && !core().isDestroyed) queue?.forget(change.message.id);
    },
    dial: dialSocket,
    end: () => queue?.end(),
  };
  return extras;
}
