/** How many conversations each tab would show. */

import { useWebSocketEvent } from "@cossistant/react/websocket";
import { useEffect, useRef, useState } from "react";

import { useSigned } from "../session/context.js";
import { filterOf, type Tabs } from "./filter.js";

/** The server gives pages and no totals, so that counting ends with the first page: nobody answers 99 at once. */
export const COUNT_MAX = 99;
/** Changes are counted together, at most this often, in ms. */
const PAUSE = 2_000;

/** A count, for people. */
export function countText(count: number | undefined): string {
  if (count === undefined || count === 0) return "";
  return count > COUNT_MAX ? `${COUNT_MAX}+` : `${count}`;
}

interface Page {
  readonly conversations: readonly unknown[];
  readonly nextCursor: string | null;
}

/**
 * How many there are by these tabs, up to `COUNT_MAX` + 1; undefined until known, and without tabs. Counted anew after
 * what may have changed it.
 */
export function useCount(tabs: Tabs | undefined): number | undefined {
  const { website, request } = useSigned();
  const [count, setCount] = useState<number>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const path = tabs && pathOf(website.id, tabs);

  const ask = (): void => {
    timer.current = undefined;
    if (path === undefined) return;
    // A count that could not be had stays as it was, and is asked for again with the next change.
    request<Page>("GET", path).then(
      ({ conversations }) => setCount(conversations.length),
      () => undefined,
    );
  };
  const later = (): void => {
    if (path !== undefined) timer.current ??= setTimeout(ask, PAUSE);
  };
  useWebSocketEvent("conversation_created", later);
  useWebSocketEvent("conversation_status_changed", later);
  useWebSocketEvent("conversation_assigned", later);
  useWebSocketEvent("subscription_confirmed", ({ channel }) => {
    if (channel.startsWith("website:")) later();
  });
  useEffect(() => {
    // The list itself comes first.
    timer.current = setTimeout(ask, 300);
    return () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    };
    // `ask` is made of the path, and of the session, whose end unmounts everything.
  }, [path]);
  return count;
}

function pathOf(websiteId: string, tabs: Tabs): string {
  const query = new URLSearchParams({ ...filterOf(tabs, ""), limit: `${COUNT_MAX + 1}` });
  return `/v1/websites/${websiteId}/conversations?${query}`;
}
