/** All replicas of a client: which there are, and which of them an event is for. */

import type { ServerMessages, SubscriptionConfirmed } from "@cossistant/protocol/types";

import type { SubscriptionState } from "../engine/types.js";

import { createConversation, type ConversationReplica } from "./conversation.js";
import { UNKNOWN_STATE } from "./empty.js";
import { createOutbox, type Outbox } from "./outbox.js";
import { confirmedState, reduceState, type ConversationState } from "./state.js";
import { withMessage } from "./timeline.js";
import type { ConversationStore, DeliveryChange, Fact, ReplicaSource } from "./types.js";
import { createTypingWatch } from "./typing-watch.js";

/** How many stores nobody looks at are kept, each with a page, to be shown at once when somebody comes back. */
export const IDLE_MAX = 20;

/** A store as the replica feeds it. */
export interface Member {
  /** An event of its conversation or website. */
  receive(event: ServerMessages): void;
  /** Something changed that it shows but does not keep. */
  changed(): void;
  /** The connection was established. */
  connected(): void;
  /** Its channel was confirmed. */
  confirmed(told: SubscriptionConfirmed): void;
  /** Events are missing and will not come. */
  resync(): void;
  /** The client has ended. */
  stop(): void;
}

/** All replicas of one client, which live as long as it does. */
export interface Replica {
  /** The client. */
  readonly source: ReplicaSource;
  /** Its messages that are not stored. */
  readonly outbox: Outbox;
  /** The replica of a conversation; the same object for the same id while anybody uses it. */
  conversation(this: void, conversationId: string): ConversationStore;
  /** What is known of a subscribed channel, whoever holds the subscription. */
  state(channel: string): ConversationState | undefined;
  /** The head with which a channel was confirmed on the present connection. */
  confirmedHead(channel: string): number | undefined;
  /** The server's time, in ms since 1970. */
  serverNow(): number;
  /** A store is in use, and its channel wished for, until the returned function is called. */
  join(channel: string, member: Member): () => void;
  /** Ends all timers and loads, and listens no more. */
  destroy(this: void): void;
}

/** Makes the replicas of a client, which listen from now on. `facts` are those that happened before. */
export function createReplica(source: ReplicaSource, facts: readonly Fact[] = []): Replica {
  const outbox = createOutbox(source.identity);
  const states = new Map<string, ConversationState>();
  const heads = new Map<string, number>();
  /** By channel; those used last at the end. */
  const members = new Map<string, Member>();
  const used = new Set<Member>();
  const typing = createTypingWatch(route);
  let clockOffset = 0;
  let self = source.identity();

  function take(fact: Fact): void {
    switch (fact.type) {
      case "message":
        return hear(fact.message, fact.at);
      case "delivery":
        return deliver(fact.change);
      case "subscription":
        return follow(fact.channel, fact.state);
      case "resync":
        return members.get(fact.channel)?.resync();
      case "connection":
        return connect(fact.isConnected);
    }
  }

  function hear(message: ServerMessages, at: number): void {
    typing.see(message, source.now() - at);
    if (message.type === "connection_established") clockOffset = message.serverTime - at;
    else if (message.type === "subscription_confirmed") confirm(message);
    else route(message);
  }

  function confirm(told: SubscriptionConfirmed): void {
    const { channel, head } = told;
    heads.set(channel, head);
    states.set(channel, confirmedState(states.get(channel) ?? UNKNOWN_STATE, told));
    members.get(channel)?.confirmed(told);
  }

  function route(event: ServerMessages): void {
    if (!("websiteId" in event)) return;
    if (event.type === "new_message") outbox.settle(event);
    for (const channel of channelsOf(event)) {
      const state = states.get(channel);
      if (state) states.set(channel, reduceState(state, event));
      members.get(channel)?.receive(event);
    }
    members.get(`website:${event.websiteId}`)?.receive(event);
  }

  /** Which conversations an event is about. One about a visitor is about all of the visitor's. */
  function channelsOf(event: ServerMessages): readonly string[] {
    if (!("visitorId" in event) || event.type === "conversation_created") {
      return "conversationId" in event ? [channelOf(event.conversationId)] : [];
    }
    const isTheirs = ({ visitorId }: ConversationState): boolean =>
      visitorId === event.visitorId || ("previousVisitorId" in event && visitorId === event.previousVisitorId);
    const channels = [...states].filter(([, state]) => isTheirs(state)).map(([channel]) => channel);
    const moved = event.type === "visitor_identified" ? (event.conversationIds ?? []).map(channelOf) : [];
    return [...new Set([...channels, ...moved])];
  }

  function follow(channel: string, { type }: SubscriptionState): void {
    if (type !== "confirmed") heads.delete(channel);
    if (type === "released" || type === "refused") states.delete(channel);
    members.get(channel)?.changed();
  }

  function deliver(change: DeliveryChange): void {
    const { type, message } = change;
    const member = members.get(channelOf(message.conversationId)) as ConversationReplica | undefined;
    if (type === "sent") {
      const { messageId, seq, createdAt } = change.ack;
      // If the event came first, the message is there already, as the server has made it.
      const unsent = outbox.take(message.id);
      if (unsent) {
        const stored = { ...unsent, delivery: type, messageId, seq, createdAt };
        member?.change((messages) => withMessage(messages, stored));
      }
    } else if (type !== "failed") outbox.set(message, type);
    // With that code the other message of the same id goes on.
    else if (change.error.code !== "duplicate_id") outbox.set(message, type, change.error);
    member?.changed();
  }

  function connect(isConnected: boolean): void {
    heads.clear();
    if (!isConnected) return typing.endAll();
    const next = source.identity();
    const isOther = next?.userId !== self?.userId || next?.userType !== self?.userType;
    self = next;
    if (isOther) outbox.refresh();
    // To somebody else things look different, and have other numbers.
    for (const member of members.values()) {
      if (isOther) member.resync();
      else member.connected();
      member.changed();
    }
  }

  function evict(): void {
    const idle = [...members].filter(([, member]) => !used.has(member));
    for (const [channel] of idle.slice(0, -IDLE_MAX)) members.delete(channel);
    if (used.size === 0) typing.endAll();
  }

  facts.forEach(take);
  for (const { message, isSending } of source.outgoing()) outbox.set(message, isSending ? "sending" : "queued");
  const end = source.onFact(take);

  const replica: Replica = {
    source,
    outbox,
    conversation(id) {
      const channel = channelOf(id);
      // A conversation's channel has a conversation's store.
      const known = members.get(channel) as ConversationReplica | undefined;
      const member = known ?? createConversation(replica, id);
      members.set(channel, member);
      return member.store;
    },
    state: (channel) => states.get(channel),
    confirmedHead: (channel) => heads.get(channel),
    serverNow: () => source.now() + clockOffset,
    join(channel, store) {
      used.add(store);
      const release = source.hold(channel);
      members.delete(channel);
      members.set(channel, store);
      return () => {
        used.delete(store);
        release();
        evict();
      };
    },
    destroy() {
      end();
      for (const store of members.values()) store.stop();
      typing.endAll();
    },
  };
  return replica;
}

function channelOf(conversationId: string): string {
  return `conversation:${conversationId}`;
}
