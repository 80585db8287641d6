"use client";

/** What has to be known about the connection: nothing while it is well. */

import { useEffect, useRef, useState } from "react";

import { isWaiting } from "../session.js";
import { Icon } from "./icons.js";
import { usePanel } from "./panel-context.js";
import { useNow, useSupport } from "./support.js";

/** A connection may take so long before anything is said, in ms. */
const PATIENCE = 2_500;

/** A bar above the composer that says that there is no connection, what waits for it, and when it is tried again. */
export function Notice() {
  const { announce, texts } = usePanel();
  const { connection, messages, retryNow } = useSupport();
  const { isConnected, isOffline, state } = connection;
  const isLate = useDelayed(!isConnected && state.type === "connecting", PATIENCE);
  // Between two waits it stays: what comes and goes with each attempt moves the page.
  const isAgain = state.type === "waiting" || (state.type === "connecting" && state.attempt !== undefined);
  const isShown = !isConnected && (isOffline || isLate || isAgain || state.type === "stopped");
  const waiting = messages.filter(isWaiting).length;

  const wasShown = useRef(false);
  useEffect(() => {
    if (isShown && !wasShown.current) announce(texts.offline);
    if (isConnected && wasShown.current) announce(texts.backOnline);
    if (isShown || isConnected) wasShown.current = isShown;
  }, [announce, isConnected, isShown, texts]);

  if (!isShown) return null;
  return (
    <div className="notice">
      <Icon name="offline" />
      <p>
        <strong>{state.type === "stopped" ? texts.stopped : texts.offline}</strong> {waiting > 0 && texts.waiting(waiting)}
        {state.type === "waiting" && <NextTry at={state.retryAt} />}
      </p>
      <button type="button" className="quiet" onClick={retryNow}>
        {texts.retryNow}
      </button>
    </div>
  );
}

function NextTry({ at }: { at: number }) {
  const { texts } = usePanel();
  const seconds = Math.ceil((at - useNow(500)) / 1000);
  return seconds > 1 ? <span className="next-try">{texts.retryIn(seconds)}</span> : null;
}

/** True once `isSo` has been true for so long. */
function useDelayed(isSo: boolean, delay: number): boolean {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    if (!isSo) return setLong(false);
    const timer = setTimeout(setLong, delay, true);
    return () => clearTimeout(timer);
  }, [isSo, delay]);
  return isSo && isLong;
}
