/** Whether the client is to be connected: who wants it, and since when nobody does. */

import { RELEASE_LINGER } from "./client.js";
import { watchPage, type PageInput } from "./page.js";

/** What a lifetime needs of the client. */
export interface LifetimeHost {
  /** The client is to be connected from now on. */
  begin(): void;
  /** The client is not to be connected any more. */
  end(): void;
  /** The page has something to say. */
  page(input: PageInput): void;
}

/** The wish for a connection. */
export interface Lifetime {
  /** See `Client.connect`. */
  connect(): void;
  /** See `Client.disconnect`. */
  disconnect(): void;
  /** See `Client.retain`. */
  retain(): () => void;
  /** Whether the client is to be connected. */
  isWanted(): boolean;
}

/** Makes a lifetime in which nobody wants anything yet. */
export function createLifetime(host: LifetimeHost): Lifetime {
  let holders = 0;
  let isWanted = false;
  // Closed on purpose: whoever mounts later does not change that.
  let isHalted = false;
  let linger: ReturnType<typeof setTimeout> | undefined;
  let unwatch = () => {};

  const hold = () => {
    clearTimeout(linger);
    linger = undefined;
  };
  const begin = () => {
    if (!isWanted) {
      isWanted = true;
      unwatch = watchPage((input) => {
        // A page that goes has no time to linger.
        if (input === "pageHide" && linger !== undefined) end();
        else host.page(input);
      });
    }
    host.begin();
  };
  const end = () => {
    hold();
    isWanted = false;
    unwatch();
    host.end();
  };

  return {
    connect() {
      isHalted = false;
      begin();
    },
    disconnect() {
      isHalted = true;
      end();
    },
    retain() {
      hold();
      holders += 1;
      if (!isWanted && !isHalted) begin();
      let isReleased = false;
      return () => {
        if (isReleased) return;
        isReleased = true;
        holders -= 1;
        if (!holders && isWanted) linger = setTimeout(end, RELEASE_LINGER);
      };
    },
    isWanted: () => isWanted,
  };
}
