/**
 * Ends typing that the server did not end: a safety net, because ephemeral events are the first to be left out for a
 * slow reader.
 *
 * Somebody whose draft is told is heard of while they type, and ends after the server's own time. Of somebody whose
 * draft is not told nothing is heard between beginning and end, so the net waits longer.
 */

import type { ServerMessages, TypingIndicator } from "@cossistant/protocol/types";

/** The server's time until it says otherwise, in ms. */
const TYPING_EXPIRY = 6_000;
/** How many times that long somebody may type whose draft is not told. */
const UNTOLD_FACTOR = 10;

/** See above. */
export interface TypingWatch {
  /** Takes notice of an event. */
  see(event: ServerMessages): void;
  /** Ends all typing now: nothing will be heard of anybody. */
  endAll(): void;
}

/** Makes a watch; `end` takes the events that the server did not send. */
export function createTypingWatch(end: (event: TypingIndicator) => void): TypingWatch {
  const typists = new Map<string, { timer: ReturnType<typeof setTimeout>; stop(): void }>();
  let expiry = TYPING_EXPIRY;

  function watch(event: Omit<TypingIndicator, "type" | "isTyping">, delay: number): void {
    const { conversationId, websiteId, organizationId, userId, userType } = event;
    const key = `${conversationId} ${userType} ${userId}`;
    const known = typists.get(key);
    clearTimeout(known?.timer);
    typists.delete(key);
    if (delay === 0) return;
    const stop = (): void => {
      typists.delete(key);
      end({ type: "typing_indicator", conversationId, websiteId, organizationId, userId, userType, isTyping: false });
    };
    typists.set(key, { timer: setTimeout(stop, delay), stop });
  }

  return {
    see(event) {
      if (event.type === "connection_established") expiry = event.limits.typingExpiry;
      // A second more than the server takes, whose word comes first.
      if (event.type === "typing_progress") watch(event, expiry + 1_000);
      if (event.type === "typing_indicator") watch(event, event.isTyping ? expiry * UNTOLD_FACTOR : 0);
      if (event.type !== "subscription_confirmed") return;
      const id = event.channel.replace(/^\w+:/, "");
      for (const typist of event.typing ?? []) {
        const { conversationId = id } = typist;
        watch({ ...typist, conversationId, websiteId: id, organizationId: "" }, expiry * UNTOLD_FACTOR);
      }
    },
    endAll() {
      for (const { timer, stop } of typists.values()) {
        clearTimeout(timer);
        stop();
      }
    },
  };
}
