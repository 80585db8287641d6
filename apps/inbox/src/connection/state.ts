/** The state of the connection in words, and what can be done about it. */

import type { UseConnectionReturn } from "@cossistant/react/websocket";

/** What the bar says. */
export interface Trouble {
  /** Why there is no connection. */
  readonly reason: string;
  /** When the next attempt is, in ms since 1970; undefined while one is made, or when none will be. */
  readonly retryAt?: number;
  /** Whether it comes back by itself. */
  readonly isPassing: boolean;
}

type Connection = Pick<UseConnectionReturn, "state" | "isOffline" | "retryAt" | "reason" | "code" | "attempt">;

/** What is wrong; undefined while all is well, or nothing has been tried yet. */
export function troubleOf({ state, isOffline, retryAt, reason, code, attempt }: Connection): Trouble | undefined {
  switch (state) {
    case "connected":
      return undefined;
    case "disconnected":
      return undefined;
    case "connecting":
    case "waiting":
      // The first attempt of all has no number.
      if (attempt === undefined) return undefined;
      return {
        reason: isOffline ? "You are offline." : "The server cannot be reached.",
        isPassing: true,
        ...(retryAt !== undefined && { retryAt }),
      };
    case "stopped":
      return { reason: stopReason(reason, code), isPassing: false };
  }
}

function stopReason(reason: Connection["reason"], code: number | undefined): string {
  if (reason === "exhausted") return "The server could not be reached.";
  if (reason === "token_denied" || code === 4401) return "Your access has ended.";
  if (code === 4403) return "You no longer have access.";
  if (code === 4029) return "The server closed the connection: too much at once.";
  return "The server closed the connection.";
}

/** Whether one has to sign in again. */
export function isAccessOver({ state, reason, code }: Connection): boolean {
  return state === "stopped" && (reason === "token_denied" || code === 4401 || code === 4403);
}

/** Whole seconds until a time, at least 1. */
export function secondsUntil(time: number, now: number): number {
  return Math.max(1, Math.ceil((time - now) / 1000));
}
