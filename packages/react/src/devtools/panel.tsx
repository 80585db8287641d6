"use client";

import type { Client } from "@cossistant/client";
import { memo, useState, useSyncExternalStore, type ReactNode } from "react";

import { matches, type Log, type LogEntry, type LogSnapshot } from "./log.js";
import { styles } from "./styles.js";

/** The open panel. */
export function Panel(props: { id: string; client: Client; log: Log; written: LogSnapshot }) {
  const { id, client, log, written } = props;
  return (
    <section id={id} aria-label="WebSocket devtools" style={styles.panel}>
      <Connection client={client} />
      <Subscriptions client={client} written={written} />
      <Outbox client={client} />
      <Events log={log} written={written} />
    </section>
  );
}

/** Follows everything that changes seldom. */
function useStatus(client: Client) {
  return useSyncExternalStore(client.subscribe, client.getSnapshot, client.getSnapshot);
}

function Connection({ client }: { client: Client }) {
  const { state, identity, isOffline } = useStatus(client);
  const stats = useSyncExternalStore(client.subscribeStats, client.getStats, client.getStats);
  const [answer, tell] = useState("");
  const ping = async () => {
    try {
      tell(`answered after ${Math.round(await client.ping())} ms`);
    } catch (error) {
      tell(String(error));
    }
  };
  return (
    <>
      <div style={styles.row}>
        <strong role="status">{describe(state)}</strong>
        {isOffline && <span>(the browser says: offline)</span>}
        <Button onClick={client.connect}>Connect</Button>
        <Button onClick={client.disconnect}>Disconnect</Button>
        <Button onClick={() => void ping()}>Ping</Button>
        <span role="status">{answer}</span>
      </div>
      <div style={styles.muted}>
        {identity ? `${identity.userType} ${identity.userId}` : "nobody yet"}
        {" · latency "}
        {stats.latencyMs === undefined ? "unknown" : `${Math.round(stats.latencyMs)} ms`}
        {` · sent ${stats.messagesSent} (${stats.bytesSent} B) · received ${stats.messagesReceived} (${stats.bytesReceived} B)`}
        {` · reconnects ${stats.reconnectAttempts}`}
        {stats.lastError && ` · last error: ${stats.lastError} (${time(stats.lastErrorTime)})`}
      </div>
    </>
  );
}

function describe(state: ReturnType<Client["getSnapshot"]>["state"]): string {
  switch (state.type) {
    case "waiting":
      return `waiting for attempt ${state.attempt}, at ${time(state.retryAt)}`;
    case "stopped":
      return `stopped: ${state.reason}${state.code === undefined ? "" : ` ${state.code}`}`;
    case "disconnected":
    case "connecting":
    case "connected":
      return state.type;
  }
}

function Subscriptions({ client, written }: { client: Client; written: LogSnapshot }) {
  const states = Object.entries(useStatus(client).subscriptionStates);
  return (
    <Section title={`Subscriptions (${states.length})`}>
      <table style={styles.table}>
        <thead style={styles.muted}>
          <tr>
            {["channel", "state", "place"].map((name) => (
              <th key={name} scope="col" style={styles.cell}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {states.map(([channel, state]) => (
            <tr key={channel}>
              <th scope="row" style={styles.cell}>
                {channel}
              </th>
              <td style={styles.cell}>{state.type === "refused" ? `refused: ${state.code}` : state.type}</td>
              <td style={styles.cell}>{written.places.get(channel) ?? "unknown"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

function Outbox({ client }: { client: Client }) {
  // A change of the number is a change of the list; what changes without it is seen with the next one.
  useStatus(client);
  const queued = client.getQueuedMessages();
  return (
    <Section title={`Outbox (${queued.length})`}>
      <ul style={styles.list}>
        {queued.map(({ id, conversationId, queuedAt, isSending }) => (
          <li key={id}>
            {time(queuedAt)} {isSending ? "sending" : "queued"} {id} to {conversationId}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Events({ log, written }: { log: Log; written: LogSnapshot }) {
  const [filter, setFilter] = useState("");
  const [held, hold] = useState<LogSnapshot>();
  const { entries } = held ?? written;
  const shown = entries.filter((entry) => matches(entry, filter));
  return (
    <Section title={`Events (${shown.length} of ${entries.length})`}>
      <div style={styles.row}>
        <input
          style={styles.input}
          aria-label="Filter events"
          placeholder="Filter: words of a type, an id, a text"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <Button isPressed={!!held} onClick={() => hold(held ? undefined : written)}>
          Pause
        </Button>
        <Button onClick={log.clear}>Clear</Button>
      </div>
      <ol style={styles.list} aria-label="Events, newest first">
        {shown.map((entry) => (
          <Event key={entry.key} entry={entry} />
        ))}
      </ol>
    </Section>
  );
}

/** One thing that happened. What there is to say of it is written out once somebody wants to see it. */
const Event = memo(function Event({ entry: { at, name, detail } }: { entry: LogEntry }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          {time(at)} {name}
        </summary>
        {isOpen && <pre style={styles.detail}>{JSON.stringify(detail, null, 2)}</pre>}
      </details>
    </li>
  );
});

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2 style={styles.heading}>{title}</h2>
      {children}
    </section>
  );
}

function Button(props: { onClick: () => void; isPressed?: boolean; children: string }) {
  const { onClick, isPressed, children } = props;
  return (
    <button type="button" style={styles.button} aria-pressed={isPressed} onClick={onClick}>
      {children}
    </button>
  );
}

function time(at: number | undefined): string {
  return at === undefined ? "unknown" : new Date(at).toLocaleTimeString();
}
