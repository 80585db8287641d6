import { useInbox } from "@cossistant/react/websocket";
import { Search, X } from "lucide-react";
import { useLayoutEffect, useRef, useState } from "react";

import { useKept } from "../kept.js";
import { goTo } from "../route.js";
import { useSigned } from "../session/context.js";
import { useShortcuts } from "../shell/shortcuts.js";
import { COUNT_MAX } from "./counts.js";
import { filterOf, tabs } from "./filter.js";
import { ListEmpty, ListFailed, ListSkeleton, NoAccess } from "./list-states.js";
import type { ListedRows } from "./rows.js";
import { FilterTabs } from "./tabs.js";
import { VirtualRows } from "./virtual-rows.js";

/** How long the search waits for the next letter, in ms. */
const SEARCH_PAUSE = 180;

interface ListPaneProps {
  rows: ListedRows;
  openId: string | undefined;
}

/** The conversations of the website. */
export function ListPane({ rows, openId }: ListPaneProps) {
  const { website } = useSigned();
  const chosen = useKept(tabs);
  const [search, setSearch] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const pane = useRef<HTMLElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const filter = filterOf(chosen, search);
  const { conversations, isLoading, hasMore, error, subscription, loadMore, ...inbox } = useInbox(website.id, filter);
  useLayoutEffect(() => rows.put(conversations), [rows, conversations]);

  const step = (by: 1 | -1) => (): void => goTo(rows.beside(openId, by) ?? openId);
  useShortcuts({ j: step(1), k: step(-1), "/": () => field.current?.focus() });

  const look = (text: string, pause = SEARCH_PAUSE): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSearch(text), pause);
  };
  const clear = (): void => {
    if (field.current) field.current.value = "";
    look("", 0);
    field.current?.focus();
  };

  const isOld = inbox.filter.status !== filter.status || inbox.filter.assignee !== filter.assignee;
  const isStale = isLoading && conversations.length > 0;
  const exact = hasMore || isLoading || isOld || search !== "" ? undefined : Math.min(conversations.length, COUNT_MAX + 1);
  return (
    <nav ref={pane} className="list-pane" aria-label="Conversations">
      <div className="search">
        <Search aria-hidden />
        <input
          ref={field}
          type="search"
          className="search-field"
          placeholder="Search"
          aria-label="Search conversations"
          aria-keyshortcuts="/"
          onChange={(event) => look(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") {
              event.preventDefault();
              pane.current?.querySelector<HTMLElement>("[data-conversation]")?.focus();
            }
            if (event.key !== "Escape") return;
            event.stopPropagation();
            if (event.currentTarget.value) clear();
            else event.currentTarget.blur();
          }}
        />
        {search !== "" && (
          <button type="button" className="icon-button" aria-label="Clear the search" onClick={clear}>
            <X />
          </button>
        )}
      </div>
      <FilterTabs shown={exact} />
      {subscription?.type === "refused" ? (
        <NoAccess />
      ) : conversations.length > 0 ? (
        <VirtualRows
          key={`${website.id} ${chosen.status} ${chosen.assignee} ${search}`}
          conversations={conversations}
          hasMore={hasMore}
          hasStatus={chosen.status === "all"}
          isStale={isStale}
          openId={openId}
          onNeedMore={loadMore}
        />
      ) : error ? (
        <ListFailed error={error} onRetry={loadMore} />
      ) : isLoading ? (
        <ListSkeleton />
      ) : (
        <ListEmpty tabs={chosen} search={search} onClear={clear} />
      )}
    </nav>
  );
}
