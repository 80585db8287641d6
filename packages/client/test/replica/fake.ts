/** A client without a network: a test decides what it is told, and when. */

import type { MessageAck, MessageContent, ServerMessages } from "@cossistant/protocol/types";

import { RequestError, SendError, type Identity, type SendOptions } from "../../src/index.js";
import type { SubscriptionState } from "../../src/engine/types.js";
import type { DeliveryChange, Fact, OutgoingMessage, ReplicaSource } from "../../src/replica/types.js";
import { createStore } from "../../src/store.js";

/** A request that waits for its answer. */
export interface PendingRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly signal: AbortSignal | undefined;
  answer(value: unknown): void;
  refuse(status: number, code?: string, retryAfter?: number): void;
}

export class FakeSource implements ReplicaSource {
  private readonly listeners = new Set<(fact: Fact) => void>();
  /** Requests without an answer, oldest first. */
  requests: PendingRequest[] = [];
  /** What was sent once: viewing and marks. */
  passed: { type: string; seq?: number }[] = [];
  typed: string[] = [];
  readonly holds = new Map<string, number>();
  readonly states = new Map<string, SubscriptionState>();
  readonly sent: OutgoingMessage[] = [];
  self: Identity | undefined;
  isConnected = false;
  private readonly waiting = new Map<
    string,
    { message: OutgoingMessage; isSending: boolean; resolve(ack: MessageAck): void; reject(error: SendError): void }
  >();
  private ids = 0;

  onFact = (listener: (fact: Fact) => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };
  identity = () => this.self;
  now = () => Date.now();
  createStore = createStore;
  createId = () => `id-${(this.ids += 1)}`;
  subscriptionState = (channel: string) => this.states.get(channel);
  outgoing = () => [...this.waiting.values()].map(({ message, isSending }) => ({ message, isSending }));

  hold = (channel: string) => {
    const count = this.holds.get(channel) ?? 0;
    this.holds.set(channel, count + 1);
    if (count === 0) this.subscription(channel, { type: "pending" });
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.holds.get(channel) ?? 1) - 1;
      this.holds.set(channel, left);
      if (left > 0) return;
      this.holds.delete(channel);
      this.subscription(channel, { type: "released" });
      this.states.delete(channel);
    };
  };

  send = (conversationId: string, said: MessageContent | string, options: SendOptions) => {
    const content = typeof said === "string" ? { text: said } : said;
    const { id = this.createId(), metadata, visibility } = options;
    const message: OutgoingMessage = {
      id,
      conversationId,
      content,
      queuedAt: this.now(),
      ...(metadata && { metadata }),
      ...(visibility && { visibility }),
    };
    this.sent.push(message);
    const promise = new Promise<MessageAck>((resolve, reject) => {
      this.waiting.set(id, { message, isSending: false, resolve, reject });
    });
    promise.catch(() => undefined);
    this.deliver({ type: "queued", message });
    return promise;
  };

  pass = (message: { type: string; seq?: number }) => {
    if (this.isConnected) this.passed.push(message);
    return this.isConnected;
  };
  typing = (_: string, text: string) => void this.typed.push(...(text ? [text] : [text, "<stop>"]));
  stopTyping = () => void this.typed.push("<stop>");

  request = <Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal) =>
    new Promise<Answer>((resolve, reject) => {
      const take = () => (this.requests = this.requests.filter((other) => other !== pending));
      const pending: PendingRequest = {
        method,
        path,
        body,
        signal,
        answer: (value) => (take(), resolve(structuredClone(value) as Answer)),
        refuse: (status, code = "internal", retryAfter) => (take(), reject(new RequestError(status, code, retryAfter))),
      };
      signal?.addEventListener("abort", () => (take(), reject(signal.reason)));
      this.requests.push(pending);
    });

  // What a test makes happen.

  tell(fact: Fact) {
    for (const listener of this.listeners) listener(fact);
  }

  say = (message: ServerMessages) => this.tell({ type: "message", message: structuredClone(message), at: this.now() });

  deliver = (change: DeliveryChange) => this.tell({ type: "delivery", change });

  resync = (channel: string) => this.tell({ type: "resync", channel });

  subscription(channel: string, state: SubscriptionState) {
    this.states.set(channel, state);
    this.tell({ type: "subscription", channel, state });
  }

  connect(self: Identity = { userId: "ann", userType: "user" }) {
    this.self = self;
    this.isConnected = true;
    this.tell({ type: "connection", isConnected: true });
  }

  disconnect() {
    this.isConnected = false;
    for (const channel of this.holds.keys()) this.subscription(channel, { type: "pending" });
    this.tell({ type: "connection", isConnected: false });
  }

  sending(id: string) {
    const entry = this.entry(id);
    entry.isSending = true;
    this.deliver({ type: "sending", message: entry.message });
  }

  ack(id: string, seq: number, messageId = `msg-${id}`): MessageAck {
    const { message, resolve } = this.entry(id);
    this.waiting.delete(id);
    const { conversationId } = message;
    const createdAt = "2026-01-01T00:00:00.000Z";
    const ack: MessageAck = { type: "message_ack", id, conversationId, messageId, seq, createdAt };
    this.deliver({ type: "sent", message, ack });
    resolve(ack);
    return ack;
  }

  fail(id: string, code: string) {
    const { message, reject } = this.entry(id);
    this.waiting.delete(id);
    const error = new SendError(code, id);
    this.deliver({ type: "failed", message, error });
    reject(error);
  }

  /** Takes the oldest request out of those that wait. */
  next(contains = ""): PendingRequest {
    const found = this.requests.find(({ path }) => path.includes(contains));
    if (!found) throw new Error(`no request for ${contains}: ${this.requests.map(({ path }) => path)}`);
    return found;
  }

  private entry(id: string) {
    const entry = this.waiting.get(id);
    if (!entry) throw new Error(`nothing waits under ${id}`);
    return entry;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** Numbers that look random: equal seeds give equal ones. */
export function random(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (limit: number) => Math.floor(next() * limit),
    chance: (share: number) => next() < share,
    of: <Item>(items: readonly Item[]): Item => {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new Error("nothing to choose from");
      return item;
    },
  };
}
