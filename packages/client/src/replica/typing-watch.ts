/**
 * Ends typing that the server did not end: a safety net, because it is the first to be left out for a slow reader.
 *
 * Somebody whose draft is told is heard of while they type, and ends after the server's own time. Of somebody whose
 * draft is not told nothing is heard between beginning and end, so the net waits ten times as long; once the connection
 * is lost, nothing will be heard of anybody.
 */

import type { ServerMessages, SubscriptionConfirmed, TypingIndicator } from "@cossistant/protocol/types";

import type { ReplicaSource } from "./types.js";

/** The server's time until it says otherwise, in ms. */
const TYPING_EXPIRY = 6_000;
const INTERVAL = 1_000;
const UNTOLD_FACTOR = 10;

/** See above. */
export interface TypingWatch {
  /** Takes notice of an event. */
  see(event: ServerMessages): void;
  /** Takes notice of those who are told to type. */
  told(confirmation: SubscriptionConfirmed): void;
  /** The connection is lost. */
  disconnected(): void;
  /** Nobody is interested any more. */
  stop(): void;
}

/** Makes a watch; `end` takes the events that the server did not send. */
export function createTypingWatch(source: ReplicaSource, end: (event: TypingIndicator) => void): TypingWatch {
  const typists = new Map<string, { until: number; event: TypingIndicator }>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let expiry = TYPING_EXPIRY;

  function sweep(): void {
    for (const [key, { until, event }] of typists) {
      if (until > source.now()) continue;
      typists.delete(key);
      end(event);
    }
    if (typists.size === 0) stop();
  }

  function watch(event: Omit<TypingIndicator, "type" | "isTyping">, isDraftTold: boolean): void {
    const until = source.now() + expiry * (isDraftTold ? 1 : UNTOLD_FACTOR) + INTERVAL;
    typists.set(keyOf(event), { until, event: { ...event, type: "typing_indicator", isTyping: false } });
    timer ??= setInterval(sweep, INTERVAL);
  }

  function stop(): void {
    typists.clear();
    clearInterval(timer);
    timer = undefined;
  }

  return {
    stop,
    see(event) {
      if (event.type === "connection_established") expiry = event.limits.typingExpiry;
      if (event.type === "typing_progress") watch(event, true);
      if (event.type !== "typing_indicator") return;
      // The beginning of a draft says nothing new of a draft that is told.
      if (!event.isTyping) typists.delete(keyOf(event));
      else if (!typists.has(keyOf(event))) watch(event, false);
    },
    told({ channel, typing = [] }) {
      const id = channel.slice(channel.indexOf(":") + 1);
      for (const person of typing) {
        watch({ ...person, conversationId: person.conversationId ?? id, websiteId: id, organizationId: "" }, false);
      }
    },
    disconnected() {
      const until = source.now() + expiry;
      for (const typist of typists.values()) typist.until = Math.min(typist.until, until);
    },
  };
}

function keyOf({ conversationId, userType, userId }: Pick<TypingIndicator, "conversationId" | "userType" | "userId">): string {
  return [conversationId, userType, userId].join();
}
