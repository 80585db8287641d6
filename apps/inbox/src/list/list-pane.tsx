import { useInbox } from "@cossistant/react/websocket";
import { Search, X } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { useDrafts } from "../composer/drafts.js";
import { useKept } from "../kept.js";
import { goTo } from "../route.js";
import { useSigned } from "../session/context.js";
import { useKeyName, useShortcuts } from "../shell/shortcuts.js";
import { COUNT_MAX } from "./counts.js";
import { filterOf, tabs } from "./filter.js";
import { worthARow } from "./listed.js";
import { ListEmpty, ListFailed, ListSkeleton, NoAccess } from "./list-states.js";
import type { ListedRows } from "./rows.js";
import { FilterTabs } from "./tabs.js";
import { VirtualRows } from "./virtual-rows.js";

/** How long the search waits for the next letter, in ms. */
const SEARCH_PAUSE = 180;

/** What a filter is of. */
const KEYS = ["status", "assignee", "search"] as const;

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
  const { conversations: loaded, isLoading, isLoadingMore, hasMore, error, subscription, loadMore, ...inbox } = useInbox(website.id, filter);
  const draftOf = useDrafts();
  const conversations = useMemo(() => worthARow(loaded, openId, draftOf), [loaded, openId, draftOf]);
  const isEmpty = conversations.length === 0;
  // What is loaded anew ends a further page that is on its way, which is then asked for again.
  const canLoadMore = hasMore && !isLoading && !isLoadingMore && !error;
  useLayoutEffect(() => rows.put(conversations), [rows, conversations]);
  useEffect(() => {
    // A page of which nothing is worth a row asks for the next one by itself.
    if (isEmpty && canLoadMore) void loadMore();
  }, [isEmpty, canLoadMore, loadMore]);

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

  const isOld = KEYS.some((key) => inbox.filter[key] !== filter[key]);
  const choice = `${website.id} ${chosen.status} ${chosen.assignee} ${search}`;
  const [loadedChoice, setLoadedChoice] = useState(choice);
  if (choice !== loadedChoice && !isLoading && !isOld && !error) setLoadedChoice(choice);
  // Until those of this choice are there the rows are of the one before.
  const isStale = choice !== loadedChoice;
  const isExact = !hasMore && !isLoading && !isOld && search === "";
  const exact = isExact ? Math.min(loaded.filter(({ lastMessage }) => lastMessage).length, COUNT_MAX + 1) : undefined;
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
          aria-keyshortcuts={useKeyName("/")}
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
      ) : !isEmpty && !(isStale && error) ? (
        <VirtualRows
          key={choice}
          conversations={conversations}
          hasMore={hasMore}
          canLoadMore={canLoadMore}
          hasStatus={chosen.status === "all"}
          isStale={isStale}
          openId={openId}
          onNeedMore={loadMore}
        />
      ) : error ? (
        <ListFailed error={error} onRetry={loadMore} />
      ) : isLoading || hasMore ? (
        <ListSkeleton />
      ) : (
        <ListEmpty tabs={chosen} search={search} onClear={clear} />
      )}
    </nav>
  );
}
