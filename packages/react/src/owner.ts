"use client";

import type { ClientActions, WebSocketConfig, WebSocketEventHandlers } from "@cossistant/client";

import { isShallowEqual } from "./equal.js";
import { useEffect, useInsertionEffect, useMemo, useRef, useState } from "./react.js";
import { follow, hold, keyOf, lookUp, replace, settle, type Entry } from "./registry.js";

/** A client as one component keeps it connected, for itself and those below. */
export interface Owner {
  /** The client of the present configuration. */
  readonly entry: Entry;
  /** Functions of whichever client is the present one; they stay the same for the owner's life. */
  readonly actions: ClientActions;
}

/** Keeps a client connected while the component is mounted. Renders again only when it must change the client. */
export function useOwner(config: WebSocketConfig = {}, handlers: WebSocketEventHandlers = {}): Owner {
  const key = keyOf(config);
  const [chosen, choose] = useState(() => lookUp(key, config));
  let entry = chosen;
  if (entry.key !== key) choose((entry = lookUp(key, config)));

  const latest = useRef({ entry, config, handlers });
  useInsertionEffect(() => {
    latest.current = { entry, config, handlers };
  });
  const [actions] = useState(() => actionsOf(() => latest.current.entry));

  useEffect(() => {
    if (isShallowEqual(entry.config, config)) return;
    entry.config = config;
    entry.client.configure(config);
  });

  const held = useRef<Entry>(undefined);
  useEffect(() => {
    const current = () => latest.current.handlers;
    const settled = settle(entry, latest.current.config, held.current);
    if (settled !== entry) {
      // What was done with one that nobody ever held is done with the one that is shared instead.
      if (!entry.isOver && !entry.end) replace(entry, settled, current);
      choose(settled);
      return;
    }
    if (held.current && held.current !== entry) replace(held.current, entry, current);
    held.current = entry;
    const removeHandlers = entry.client.addHandlers(current);
    const release = hold(entry);
    return () => {
      removeHandlers();
      release();
    };
  }, [entry]);

  return useMemo(() => ({ entry, actions }), [entry, actions]);
}

const ACTIONS = [
  "connect",
  "disconnect",
  "sendMessage",
  "startTyping",
  "stopTyping",
  "sendTypingProgress",
  "ping",
  "identify",
  "getWebSocket",
] as const;

function actionsOf(present: () => Entry): ClientActions {
  const sendChatMessage: ClientActions["sendChatMessage"] = (...message) =>
    follow(present(), present().client.sendChatMessage(...message));
  const pass = (name: (typeof ACTIONS)[number]) => (...args: never[]) =>
    (present().client[name] as (...args: never[]) => unknown)(...args);
  // Each does what the client's function of that name does.
  return Object.assign({ sendChatMessage }, ...ACTIONS.map((name) => ({ [name]: pass(name) }))) as ClientActions;
}
