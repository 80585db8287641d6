/** How many conversations each tab would show. */

import { useWebSocketEvent } from "@cossistant/react/websocket";
import { useEffect, useRef, useState } from "react";

import { useSigned } from "../session/context.js";
import { filterOf, type Tabs } from "./filter.js";

/** The server gives pages and no totals, so counting ends somewhere: of a thousand a team wants to know that it is behind. */
export const COUNT_MAX = 999;
/** The largest page that the server gives. */
const PAGE = 200;
/** Changes are counted together, in ms: at most this often for each page that has to be read. */
const PAUSE = 2_000;

/** A count, for people. */
export function countText(count: number | undefined): string {
  if (count === undefined || count === 0) return "";
  return count > COUNT_MAX ? `${COUNT_MAX}+` : `${count}`;
}

interface Page {
  readonly conversations: readonly { readonly conversationId: string; readonly lastMessage: unknown }[];
  readonly nextCursor: string | null;
}

/** What was counted. */
export interface Counted {
  /** Those in which something was said, up to `COUNT_MAX` + 1. */
  readonly count: number;
  /** Those in which nothing was said yet. */
  readonly silent: ReadonlySet<string>;
  /** How many pages were read. */
  readonly pages: number;
}

/** Counts page by page; `read` gives the one behind a cursor. Conversations that move meanwhile count once. */
export async function countPages(read: (cursor: string | null) => Promise<Page>): Promise<Counted> {
  const said = new Set<string>();
  const silent = new Set<string>();
  let pages = 0;
  for (let cursor: string | null = null; ; ) {
    const page: Page = await read(cursor);
    pages += 1;
    for (const { conversationId, lastMessage } of page.conversations) (lastMessage ? said : silent).add(conversationId);
    cursor = page.nextCursor;
    // Ever so many in which nothing was said are no reason to go on for ever.
    if (cursor === null || said.size > COUNT_MAX || pages * PAGE > COUNT_MAX + PAGE) {
      return { count: Math.min(said.size, COUNT_MAX + 1), silent, pages };
    }
  }
}

/**
 * How many there are by these tabs, up to `COUNT_MAX` + 1; undefined until known, and without tabs. Counted anew after
 * what may have changed it.
 */
export function useCount(tabs: Tabs | undefined): number | undefined {
  const { website, request } = useSigned();
  const [count, setCount] = useState<number>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  /** What was counted last, and those that have begun since. */
  const last = useRef({ silent: new Set<string>(), pages: 1 });
  const path = tabs && pathOf(website.id, tabs);

  const ask = (): void => {
    timer.current = undefined;
    if (path === undefined) return;
    // A count that could not be had stays as it was, and is asked for again with the next change.
    countPages((cursor) => request<Page>("GET", cursor === null ? path : `${path}&cursor=${encodeURIComponent(cursor)}`)).then(
      ({ count, silent, pages }) => {
        last.current = { silent: new Set(silent), pages };
        setCount(count);
      },
      () => undefined,
    );
  };
  const later = (): void => {
    if (path !== undefined) timer.current ??= setTimeout(ask, PAUSE * last.current.pages);
  };
  useWebSocketEvent("conversation_created", ({ conversationId }) => {
    last.current.silent.add(conversationId);
    later();
  });
  useWebSocketEvent("new_message", ({ conversationId }) => {
    // The first one makes it count.
    if (last.current.silent.delete(conversationId)) later();
  });
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
  const query = new URLSearchParams({ ...filterOf(tabs, ""), limit: `${PAGE}` });
  return `/v1/websites/${encodeURIComponent(websiteId)}/conversations?${query}`;
}
