import { useConnection, useWebSocketSelector } from "@cossistant/react/websocket";
import { CloudOff } from "lucide-react";
import { useSyncExternalStore } from "react";

import { useSigned } from "../session/context.js";
import { isAccessOver, secondsUntil, troubleOf } from "./state.js";

/** Says that there is no connection, why, when the next attempt is, and what waits for it. Nothing while all is well. */
export function OfflineBar() {
  const connection = useConnection();
  const waiting = useWebSocketSelector(({ queuedMessageCount }) => queuedMessageCount);
  const { leave } = useSigned();
  const trouble = troubleOf(connection);
  if (!trouble) return null;
  const { reason, retryAt, isPassing } = trouble;
  return (
    <section className={isPassing ? "offline-bar" : "offline-bar bad"} aria-label="Connection" data-testid="offline-bar">
      <CloudOff aria-hidden />
      <p>
        {/* `ConnectionStatus` reads it aloud; seconds would be read each second. */}
        <span>{reason}</span>
        {retryAt !== undefined && <Countdown until={retryAt} />}
        {retryAt === undefined && isPassing && <span> Trying now.</span>}
        {waiting > 0 && <span>{` ${waiting} message${waiting === 1 ? "" : "s"} will be sent then.`}</span>}
      </p>
      {isAccessOver(connection) ? (
        <button type="button" className="button small" onClick={() => leave("expired")}>
          Sign in again
        </button>
      ) : (
        <button type="button" className="button small" onClick={connection.retryNow}>
          Try now
        </button>
      )}
    </section>
  );
}

function Countdown({ until }: { until: number }) {
  const seconds = useSyncExternalStore(everySecond, () => secondsUntil(until, Date.now()));
  return <span className="countdown"> Next try in {seconds} s.</span>;
}

function everySecond(listener: () => void): () => void {
  const timer = setInterval(listener, 250);
  return () => clearInterval(timer);
}
