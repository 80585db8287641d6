/** Whether the client is to be connected: who wants it, and since when nobody does. */

import { RELEASE_LINGER } from "./client.js";
import type { Core } from "./core.js";
import { watchPage } from "./page.js";

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
export function createLifetime(core: Core): Lifetime {
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
    if (core.isDestroyed) return;
    if (!isWanted) {
      isWanted = true;
      unwatch = watchPage((type) => {
        // A page that goes has no time to linger.
        if (type === "pageHide" && linger !== undefined) return end();
        if (type === "online" || type === "offline") core.status.change({ isOffline: type === "offline" });
        core.session.input({ type });
      });
    }
    core.session.start();
    if (!core.session.input({ type: "connect" })) core.status.enter({ type: "connecting" });
  };
  const end = () => {
    hold();
    isWanted = false;
    unwatch();
    if (!core.session.input({ type: "disconnect" })) core.status.enter({ type: "disconnected" });
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
