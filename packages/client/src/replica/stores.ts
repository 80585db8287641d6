/** The stores of a client, and what it keeps for them until the code of the replica is here. */

import type { LazyStore } from "./lazy.js";
import { createLazyConversation } from "./lazy-conversation.js";
import { createLazyInbox } from "./lazy-inbox.js";
import type { Replica } from "./replica.js";
import type { ConversationStore, Fact, InboxStore, ReplicaSource } from "./types.js";

/** When so many facts are kept, the replica is loaded to sum them up; it keeps much less. */
export const FACTS_LOADED = 500;
/** Of so many, which there are only if it could not be loaded, the older half goes. */
export const FACTS_MAX = 1_000;

/** All stores of one client, which live as long as it does. */
export interface Stores {
  /** The replica of a conversation; the same object for the same id while anybody uses it. */
  conversation(this: void, conversationId: string): ConversationStore;
  /** The replica of a website's conversations; the same object for the same id. */
  inbox(this: void, websiteId: string): InboxStore;
  /** Ends all timers and loads, and listens no more. */
  destroy(this: void): void;
}

/** The chunks, which the test of their delay loads otherwise. */
const CODE = {
  replica: () => import("./replica.js"),
  inbox: () => import("./inbox.js"),
};

/** Makes the stores of a client. Nothing is missed before the first is asked for. */
export function createStores(source: ReplicaSource, code = CODE): Stores {
  const facts: Fact[] = [];
  /** Conversations that were asked for before their code was here. */
  const conversations = new Map<string, ConversationStore>();
  const inboxes = new Map<string, InboxStore>();
  /** The inside of all of these. */
  const lazies: Pick<LazyStore<unknown, unknown>, "changed" | "tryAgain" | "stop">[] = [];
  let replica: Replica | undefined;
  let isDestroyed = false;

  const end = source.onFact((fact) => {
    if (!replica) record(fact);
    for (const lazy of lazies) {
      lazy.changed();
      // Whatever it waits for, now is a better moment.
      if (fact.type === "connection") lazy.tryAgain();
    }
  });

  function record(fact: Fact): void {
    if (facts.push(fact) >= FACTS_MAX) facts.splice(0, FACTS_MAX - FACTS_LOADED);
    // If it cannot be loaded, it is tried again by whoever asks for a store, and after as many facts more.
    if (facts.length === FACTS_LOADED) load().catch(() => {});
  }

  async function load(): Promise<Replica> {
    const { createReplica } = await code.replica();
    if (isDestroyed) throw new Error("the client has ended");
    return (replica ??= createReplica(source, facts.splice(0)));
  }

  return {
    conversation(id) {
      const known = conversations.get(id) ?? replica?.conversation(id);
      if (known) return known;
      const { store, lazy } = createLazyConversation(source, id, async () => (await load()).conversation(id));
      conversations.set(id, store);
      lazies.push(lazy);
      return store;
    },
    inbox(id) {
      const known = inboxes.get(id);
      if (known) return known;
      const { store, lazy } = createLazyInbox(source, id, async () => {
        const [loaded, { createInboxStore }] = await Promise.all([load(), code.inbox()]);
        return createInboxStore(loaded, id);
      });
      inboxes.set(id, store);
      lazies.push(lazy);
      return store;
    },
    destroy() {
      isDestroyed = true;
      end();
      for (const lazy of lazies) lazy.stop();
      replica?.destroy();
    },
  };
}
