/** A visitor's side of the conversation, without a framework: which one it is, what is in it, and what can be done. */

import {
  createClient,
  forgetMessages,
  type Client,
  type ClientSnapshot,
  type ConversationMessage,
  type ConversationSnapshot,
  type ConversationStore,
  type SendError,
  type SendOptions,
} from "@cossistant/client";
import type { MessageAck, MessageContent } from "@cossistant/protocol/types";

import { createIdentities } from "./identities.js";
import { forGood, forgetVisitor, forTab, keptName, tokenName } from "./kept.js";
import type { SupportOptions } from "./options.js";
import { createTeamWatch, type TeamPresence } from "./presence.js";

/** What a session shows. Frozen; the same object until something in it changes. */
export interface SupportSnapshot {
  /** The visitor's conversation; undefined until the visitor writes. */
  readonly conversationId: string | undefined;
  /** What is in it. */
  readonly conversation: ConversationSnapshot | undefined;
  /** Where the connection stands. */
  readonly connection: ClientSnapshot;
  /** Who of the team is there; undefined while there is no connection. */
  readonly presence: TeamPresence | undefined;
  /** Messages that the visitor has not seen. */
  readonly unreadCount: number;
  /** Which visitor it is of those who were here since the session began; another number after each `reset`. */
  readonly visitor: number;
}

/** What a session connects with. */
export interface SessionOptions extends Pick<SupportOptions, "publicKey" | "connection"> {
  /** The server's address. */
  readonly server: string;
}

/**
 * A visitor's session. Connected from its making to its end; functions need no `this`.
 *
 * A conversation begins with the visitor's first letter, so that a look at the panel leaves nothing with the team. Its id
 * is kept for all tabs of the site; a tab follows when another one begins a conversation.
 */
export interface SupportSession {
  subscribe(this: void, listener: () => void): () => void;
  getSnapshot(this: void): SupportSnapshot;
  /** Sends a message, which is shown at once. Begins a conversation if there is none. */
  send(this: void, content: MessageContent | string, options?: SendOptions): Promise<MessageAck>;
  /** Sends a failed message again. */
  retry(this: void, key: string): void;
  /** Takes a failed message away. */
  discard(this: void, key: string): void;
  /** The draft is now this text. Begins a conversation if there is none and the text is not empty. */
  setTyping(this: void, text: string): void;
  /** Ends the typing. */
  stopTyping(this: void): void;
  /** Has seen all that is there. */
  markSeen(this: void): void;
  /** Loads older messages. */
  loadMore(this: void): Promise<void>;
  /** Leaves the conversation, so that the next message begins another one. */
  startNew(this: void): void;
  /** Tries to connect now. */
  retryNow(this: void): void;
  /** Makes a known person of the visitor. Rejects when the server refuses the token. */
  identify(this: void, identityToken: string): Promise<void>;
  /**
   * Forgets the visitor on this browser, and all that was written and not sent: after a log-out. The session goes on as a
   * new visitor, in all tabs. Resolves when nothing is kept of it any more.
   */
  reset(this: void): Promise<void>;
  /** Calls back for each new message of somebody else. */
  onIncoming(this: void, listener: () => void): () => void;
  /** Ends the connection. */
  end(this: void): void;
}

/** Begins a session. */
export function createSession({ server, publicKey, connection }: SessionOptions): SupportSession {
  const name = keptName("conversation", server, publicKey);
  const resetName = keptName("reset", server, publicKey);
  const forgottenName = keptName("forgotten", server, publicKey);
  /** The name under which the client keeps the visitor's token. */
  const token = tokenName(server, publicKey);
  const listeners = new Set<() => void>();
  const incoming = new Set<() => void>();
  const config = {
    ...connection,
    url: `${server}/ws`,
    publicKey,
    // Both are chunks of their own, and what makes a reload and several tabs go unnoticed.
    persistQueue: true,
    shareAcrossTabs: true,
    visitorTokenStore: {
      get: () => forGood.get(token),
      set: (_: string, next: string | null) => forGood.set(token, next ?? undefined),
    },
  };
  let client: Client;
  let leaveClient = () => {};
  let conversation: ConversationStore | undefined;
  let leaveConversation = () => {};
  let conversationId: string | undefined;
  let snapshot: SupportSnapshot | undefined;
  let visitor = 0;
  /** The last reset that is known here. */
  let era: string | undefined;
  /** What was kept of the visitor before is being forgotten: nobody connects before that is done, and takes it over. */
  let forgetting: Promise<void> | undefined;
  const presenceOf = createTeamWatch();

  const changed = () => {
    const state = conversation?.getSnapshot().subscription;
    // It belongs to somebody else by now, or is no more: whoever writes next begins another one.
    if (state?.type === "refused") return enter(undefined);
    const before = snapshot;
    if (before && before !== make()) for (const listener of [...listeners]) listener();
  };

  function make(): SupportSnapshot {
    const connection = client.getSnapshot();
    const presence = presenceOf(connection.team);
    const next = {
      conversationId,
      conversation: conversation?.getSnapshot(),
      connection,
      presence: connection.isConnected ? presence : undefined,
      unreadCount: conversation?.getSnapshot().unreadCount ?? 0,
      visitor,
    };
    const isSame =
      snapshot &&
      next.conversationId === snapshot.conversationId &&
      next.conversation === snapshot.conversation &&
      next.connection === snapshot.connection &&
      next.visitor === snapshot.visitor;
    return isSame && snapshot ? snapshot : (snapshot = Object.freeze(next));
  }

  /** Is in this conversation from now on, in all tabs. */
  function enter(id: string | undefined): void {
    forGood.set(name, id);
    follow(id);
  }

  function follow(id: string | undefined): void {
    if (id === conversationId) return;
    leaveConversation();
    conversationId = id;
    conversation = id === undefined ? undefined : client.conversation(id);
    leaveConversation = conversation?.subscribe(changed) ?? (() => {});
    changed();
  }

  /** The conversation to write in. */
  function begin(): ConversationStore {
    // Another tab may have begun one a moment ago.
    if (!conversation) enter(forGood.get(name) ?? `conv-${randomId()}`);
    // It has just been entered.
    return conversation ?? client.conversation(conversationId ?? "");
  }

  function connect(): void {
    const own = (client = createClient(config));
    const retain = () => {
      if (client === own) ends.push(own.retain());
    };
    const ends = [
      own.subscribe(changed),
      own.addHandlers(() => ({
        onVisitorChanged() {
          enter(undefined);
          identities.renew();
        },
      })),
      own.on("new_message", ({ senderType }) => {
        if (senderType !== "visitor") for (const listener of [...incoming]) listener();
      }),
    ];
    leaveClient = () => {
      for (const end of ends) end();
      own.destroy();
    };
    if (forgetting) void forgetting.then(retain);
    else retain();
    follow(forGood.get(name));
  }

  /** Another visitor from now on; what was kept of this one is forgotten already. */
  function restart(): void {
    follow(undefined);
    leaveClient();
    connect();
    changed();
  }

  /** Forgets what this tab and the database still have of a visitor before the last reset; `own` are this tab's messages. */
  function forget(own: readonly string[]): void {
    const last = (era = forGood.get(resetName));
    if (last === forTab.get(resetName)) return;
    forTab.set(keptName("draft", server, publicKey), undefined);
    // What the next visitor has written by now in another tab must stay.
    const isOld = (id: string) => forGood.get(forgottenName) !== last || own.includes(id);
    const done: Promise<void> = forgetMessages(publicKey, isOld).then(() => {
      if (forgetting === done) forgetting = undefined;
      forTab.set(resetName, last);
      if (last === forGood.get(resetName)) forGood.set(forgottenName, last);
    });
    forgetting = done;
  }

  /** Another person from now on, of whom nothing is known, and who may know nothing of the one before. */
  function beginAnew(): void {
    visitor += 1;
    identities.forget();
    forget(client.getQueuedMessages().map(({ id }) => id));
    restart();
  }

  /** What another tab did. Nothing comes from pages that keep their things apart. */
  const onStorage = ({ key, newValue }: StorageEvent) => {
    if (key === resetName && newValue !== null) beginAnew();
    if (key === name) follow(newValue ?? undefined);
    if (key !== token || newValue !== null) return;
    restart();
    identities.renew();
  };
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    make();
    return () => void listeners.delete(listener);
  };
  const identities = createIdentities({
    server,
    publicKey,
    client: () => client,
    subscribe,
    follow: (id) => conversationId ?? enter(id),
  });
  addEventListener("storage", onStorage);
  forget([]);
  connect();

  return {
    subscribe,
    getSnapshot: make,
    send(content, options) {
      const answer = begin().send(content, options);
      // A message that failed says so where it stands.
      answer.catch((_: SendError) => {});
      return answer;
    },
    retry: (key) => conversation?.retry(key),
    discard: (key) => conversation?.discard(key),
    setTyping(text) {
      if (text || conversation) begin().setTyping(text);
    },
    stopTyping: () => conversation?.stopTyping(),
    markSeen: () => conversation?.markSeen(),
    loadMore: async () => conversation?.loadMore(),
    startNew: () => enter(undefined),
    retryNow() {
      if (!forgetting) client.connect();
    },
    identify: identities.identify,
    async reset() {
      // The widget has done it by now, if it is the widget that asks.
      if (era === forGood.get(resetName)) forgetVisitor(server, publicKey);
      beginAnew();
      await forgetting;
    },
    onIncoming(listener) {
      incoming.add(listener);
      return () => void incoming.delete(listener);
    },
    end() {
      removeEventListener("storage", onStorage);
      identities.end();
      listeners.clear();
      incoming.clear();
      leaveConversation();
      leaveClient();
    },
  };
}

/** Whether a message is one that the visitor waits with: not stored, and not failed. */
export function isWaiting({ delivery }: ConversationMessage): boolean {
  return delivery === "queued" || delivery === "sending";
}

/** One that nobody can guess, also on pages without TLS, where `randomUUID` is missing. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
