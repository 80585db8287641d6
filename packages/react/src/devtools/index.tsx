"use client";

/** The devtools themselves: for those who want them in production, too. */

import { useId, useState, useSyncExternalStore, type KeyboardEvent } from "react";

import { useProvided } from "../provider.js";
import { createLog } from "./log.js";
import { Panel } from "./panel.js";
import { COLOURS, styles } from "./styles.js";

/** What `WebSocketDevtools` takes. */
export interface WebSocketDevtoolsProps {
  /** Whether the panel is open at first. Default: false. */
  initialIsOpen?: boolean;
}

/**
 * A button in the corner of the page that opens a panel, which shows what the connection of the nearest provider does.
 * Escape closes it. What happened is written down from the first render on, also while the panel is closed.
 */
export function WebSocketDevtools({ initialIsOpen = false }: WebSocketDevtoolsProps) {
  const { client } = useProvided("WebSocketDevtools").entry;
  const [isOpen, setOpen] = useState(initialIsOpen);
  const [kept, keep] = useState(() => ({ client, log: createLog(client) }));
  let { log } = kept;
  if (kept.client !== client) {
    log = createLog(client);
    keep({ client, log });
  }
  const written = useSyncExternalStore(log.subscribe, log.getSnapshot, log.getSnapshot);
  const state = useSyncExternalStore(
    client.subscribe,
    () => client.getSnapshot().state.type,
    () => "disconnected" as const,
  );
  const id = useId();
  const close = (event: KeyboardEvent) => {
    if (event.key === "Escape") setOpen(false);
  };
  return (
    <div style={styles.root} onKeyDown={close}>
      {isOpen && <Panel id={id} client={client} log={log} written={written} />}
      <button
        type="button"
        style={styles.toggle}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
      >
        <span aria-hidden style={{ ...styles.dot, background: COLOURS[state] }} /> WebSocket: {state}
      </button>
    </div>
  );
}
