/** Where the client stands, for those who look and those who listen. */

import type { Core } from "./core.js";
import type { EngineState } from "./engine/types.js";
import { toWire } from "./frames.js";
import { DISCONNECTED, type ClientSnapshot, type ConnectionState } from "./state.js";
import { createStore, merge, type Store } from "./store.js";

/** The snapshot of a client. */
export interface Status extends Pick<Store<ClientSnapshot>, "getSnapshot" | "subscribe"> {
  /** Takes what changed, and what others keep as it is now; tells whoever is concerned. */
  change(patch?: Partial<ClientSnapshot>): void;
  /** The connection is in another state. */
  enter(state: ConnectionState): void;
}

/** Makes the snapshot of a client that never connected. */
export function createStatus(core: Core): Status {
  let own = DISCONNECTED;
  const store = createStore(
    () => ({ ...own, ...core.wishes.snapshot(), queuedMessageCount: core.outgoing.size() }),
    undefined,
    DISCONNECTED,
  );
  const change = (patch?: Partial<ClientSnapshot>) => {
    const before = store.getSnapshot();
    own = { ...own, ...patch };
    store.changed();
    const { state, isConnected } = store.getSnapshot();
    if (state !== before.state) core.events.tell("onStateChange", state);
    if (isConnected === before.isConnected) return;
    core.facts.emit({ type: "connection", isConnected });
    if (isConnected) core.events.tell("onOpen", new Event("open"));
  };
  return {
    ...store,
    change,
    enter(next) {
      const { state: present } = store.getSnapshot();
      // What was expected before there was an engine, the engine tells again.
      // An attempt that was waited for keeps its number.
      const isAgain = next.type === "connecting" && "attempt" in present;
      const state = merge(present, isAgain ? { ...next, attempt: present.attempt } : next);
      const { type } = state;
      const isConnected = type === "connected";
      change({
        state,
        isConnected,
        isConnecting: type === "connecting" || type === "waiting",
        readyState: isConnected ? 1 : type === "connecting" ? 0 : 3,
      });
    },
  };
}

/** The engine's state in the words of applications. */
export function toConnectionState(state: EngineState, toWall: (at: number) => number): ConnectionState {
  if (state.type === "waiting") return { type: state.type, attempt: state.attempt, retryAt: toWall(state.until) };
  if (state.type !== "stopped") return state;
  const { type, ...more } = state.reason;
  return { type: state.type, reason: toWire(type) as StopReason, ...more };
}

type StopReason = Extract<ConnectionState, { type: "stopped" }>["reason"];
