"use client";

/**
 * Which clients there are, and who holds them.
 *
 * A client belongs to what decides where and how it connects, not to a component: whoever asks for the same gets the
 * same one. The list is global, so that copies of this module (two bundles, a hot reload) share it. Components look
 * things up while they render, and only their effects change the list: a render that React throws away leaves nothing.
 */

import {
  createClient,
  RELEASE_LINGER,
  type Client,
  type SendError,
  type WebSocketConfig,
  type WebSocketEventHandlers,
} from "@cossistant/client";
import type { MessageAck } from "@cossistant/protocol/types";
import type { Context } from "react";

import { createContext } from "./react.js";

/** A client, and who holds it. */
export interface Entry {
  readonly client: Client;
  /** What decides where and how it connects. */
  readonly key: string;
  /** The newest choices. */
  config: WebSocketConfig;
  /** How many owners are mounted. */
  holders: number;
  /** Its end, while nobody holds it. */
  end?: ReturnType<typeof setTimeout>;
  /** It is destroyed. */
  isOver?: boolean;
  /** What became of its unanswered messages, if another client took them over. */
  readonly moved: Map<string, Promise<MessageAck>>;
}

interface Shared {
  readonly entries: Set<Entry>;
  /** By React's own function: a context is understood only by the React that made it. */
  readonly contexts: WeakMap<typeof createContext, Context<unknown>>;
}

const NAME = Symbol.for("@cossistant/react/1");
// Nobody else uses this name, and its number changes with its form.
const shared = ((globalThis as { [NAME]?: Shared })[NAME] ??= { entries: new Set(), contexts: new WeakMap() });

/** The context of all copies of this package that use the same React. */
export function sharedContext(): Context<unknown> {
  const context = shared.contexts.get(createContext) ?? createContext<unknown>(undefined);
  shared.contexts.set(createContext, context);
  return context;
}

/**
 * What decides where and how a client connects: the destination, a line break, and the rest. The order of headers does
 * not count.
 */
export function keyOf(config: WebSocketConfig): string {
  const { url, protocols = [], publicKey, headers = {}, shareAcrossTabs, persistQueue, getToken } = config;
  // A public key belongs to the destination, since each website has its own.
  const destination = [url, [protocols].flat(), publicKey];
  return [destination, [Object.entries(headers).sort(), !!shareAcrossTabs, !!persistQueue, !!getToken]]
    .map((part) => JSON.stringify(part))
    .join("\n");
}

/** Where messages go. */
function destinationOf({ key }: Entry): string | undefined {
  return key.split("\n")[0];
}

/**
 * An entry for this configuration: one that can be shared, or else `own`, or else a new one. Changes nothing.
 *
 * Two token sources are the same only if they are the same function. And one that nobody holds any more is not passed
 * on: whoever was signed in may just have signed out.
 */
export function lookUp(key: string, config: WebSocketConfig, own?: Entry): Entry {
  const { getToken, visitorTokenStore } = config;
  for (const entry of shared.entries) {
    const isSame = entry.key === key && entry.config.visitorTokenStore === visitorTokenStore;
    if (isSame && entry.config.getToken === getToken && (entry.holders || !getToken)) return entry;
  }
  return own ?? { client: createClient(config), key, config, holders: 0, moved: new Map() };
}

/**
 * The entry that an owner is to hold, now that the one it rendered with is mounted: that one, unless meanwhile another
 * owner mounted one that can be shared, or it is not to be had any more. `held` is what the owner held before.
 */
export function settle(entry: Entry, config: WebSocketConfig, held: Entry | undefined): Entry {
  const { key, isOver } = entry;
  if (entry === held && !isOver) return entry;
  return lookUp(key, config, isOver || shared.entries.has(entry) ? undefined : entry);
}

/** Holds an entry. Returns the release; some time after the last one the client is destroyed. */
export function hold(entry: Entry): () => void {
  shared.entries.add(entry);
  clearTimeout(entry.end);
  entry.holders += 1;
  const release = entry.client.retain();
  return () => {
    release();
    entry.holders -= 1;
    if (!entry.holders) entry.end = setTimeout(end, RELEASE_LINGER, entry);
  };
}

/**
 * `next` takes the place of an entry that its last owner left. Unanswered messages go with it when the destination is
 * the same, with their ids, so that none is stored twice. Otherwise they fail, told to their callers and `handlers`.
 */
export function replace(old: Entry, next: Entry, handlers: () => WebSocketEventHandlers): void {
  if (old.holders || old.isOver) return;
  if (destinationOf(old) === destinationOf(next)) {
    for (const { id, conversationId, content, metadata, visibility } of old.client.getQueuedMessages()) {
      old.moved.set(id, next.client.sendChatMessage(conversationId, content, metadata, { id, visibility }));
    }
  } else {
    old.client.addHandlers(() => ({ onMessageFailed: handlers().onMessageFailed }));
  }
  end(old);
}

function end(entry: Entry): void {
  clearTimeout(entry.end);
  entry.isOver = true;
  shared.entries.delete(entry);
  entry.client.destroy();
}

/** The end of a message that was sent by this entry's client, also when another client took it over. */
export function follow(entry: Entry, sent: Promise<MessageAck>): Promise<MessageAck> {
  const end = sent.catch((error: SendError) => {
    const moved = entry.moved.get(error.id);
    if (moved) return moved;
    throw error;
  });
  // Whoever sends may ignore what becomes of it.
  end.catch(() => {});
  return end;
}
