/** Whether somebody looks at this page: it is visible, and the keyboard is its own. */

import { useSyncExternalStore } from "react";

const EVENTS = ["focus", "blur", "visibilitychange"] as const;

/** Whether somebody looks at it now. */
export function isLookedAt(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** Whether somebody looks at it, as components need it. */
export function useIsLookedAt(): boolean {
  return useSyncExternalStore(subscribe, isLookedAt);
}

function subscribe(listener: () => void): () => void {
  const targets = [window, document];
  for (const target of targets) for (const event of EVENTS) target.addEventListener(event, listener);
  return () => {
    for (const target of targets) for (const event of EVENTS) target.removeEventListener(event, listener);
  };
}
