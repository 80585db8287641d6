/**
 * Ends typing that the server did not end: a safety net, because ephemeral events are the first to be left out for a
 * slow reader.
 *
 * Somebody whose draft is told is heard of while they type, and ends after the server's own time. Of somebody whose
 * draft is not told nothing is heard between beginning and end, so the net waits longer.
 */

import type { ServerMessages } from "@cossistant/protocol/types";

/** The server's time until it says otherwise, in ms. */
const TYPING_EXPIRY = 6_000;
/** How many times that long somebody may type whose draft is not told. */
const UNTOLD_FACTOR = 10;

/** See above. */
export interface TypingWatch {
  /** Takes notice of an event, which was told so many ms ago. */
  see(event: ServerMessages, age?: number): void;
  /** Ends all typing now: nothing will be heard of anybody. */
  endAll(): void;
}

/** Makes a watch; `end` takes the events that the server did not send. */
export function createTypingWatch(end: (event: ServerMessages) => void): TypingWatch {
  /** What ends each one's typing. */
  const typists = new Map<string, { timer: ReturnType<typeof setTimeout>; websiteId: string; stop(): void }>();
  let expiry = TYPING_EXPIRY;

  const watch: TypingWatch = {
    see(event, age = 0) {
      if (event.type === "connection_established") expiry = event.limits.typingExpiry;
      if (event.type === "subscription_confirmed") {
        const [, kind, id = ""] = /^(\w+):(.*)$/.exec(event.channel) ?? [];
        const websiteId = kind === "website" ? id : "";
        const fields = { type: "typing_indicator", isTyping: true, conversationId: id, websiteId } as const;
        for (const typist of event.typing ?? []) watch.see({ ...fields, organizationId: "", ...typist }, age);
      }
      const isTold = event.type === "typing_progress";
      if (!isTold && event.type !== "typing_indicator") return;
      const key = [event.conversationId, event.userType, event.userId].join();
      const before = typists.get(key);
      clearTimeout(before?.timer);
      typists.delete(key);
      if (!isTold && !event.isTyping) return;
      // The confirmation of a conversation does not tell its website, whose list may show the typing as well.
      const websiteId = event.websiteId || (before?.websiteId ?? "");
      const stop = (): void => {
        typists.delete(key);
        end({ ...event, websiteId, type: "typing_indicator", isTyping: false });
      };
      // A second more than the server takes, whose word comes first.
      const delay = isTold ? expiry + 1_000 : expiry * UNTOLD_FACTOR;
      typists.set(key, { timer: setTimeout(stop, delay - age), websiteId, stop });
    },
    endAll() {
      for (const { timer, stop } of typists.values()) {
        clearTimeout(timer);
        stop();
      }
    },
  };
  return watch;
}
