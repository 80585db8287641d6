/** Whether it is shown who the visitor is. */

import { useState, useSyncExternalStore } from "react";

import { useKept } from "../kept.js";
import { choose, settings } from "../settings/settings.js";

/** Where there is room for it beside the conversation; as in `shell.css`. */
const WIDE = "(min-width: 1100px)";

/**
 * Whether the panel is open, and how to open and close it. Beside the conversation it stays as it was chosen; over the
 * conversation, where there is no room, it is opened anew each time.
 */
export function usePanel(): [boolean, (isOpen: boolean) => void] {
  const isWide = useSyncExternalStore(subscribe, () => matchMedia(WIDE).matches);
  const { hasPanel } = useKept(settings);
  const [isOver, setOver] = useState(false);
  return isWide ? [hasPanel, (isOpen) => choose({ hasPanel: isOpen })] : [isOver, setOver];
}

function subscribe(listener: () => void): () => void {
  const query = matchMedia(WIDE);
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}
