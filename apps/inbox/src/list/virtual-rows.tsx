import type { InboxConversation } from "@cossistant/react/websocket";
import { defaultRangeExtractor, useVirtualizer, type Range } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, type KeyboardEvent } from "react";

import { useDrafts } from "../composer/drafts.js";
import { goTo } from "../route.js";
import { shiftOf } from "./anchor.js";
import { Row, ROW_HEIGHT } from "./row.js";

/** How many rows are kept ready above and below those in sight. */
const OVERSCAN = 4;
/** A further page is asked for when no more than this many rows are left below. */
const LOAD_AHEAD = 30;

interface VirtualRowsProps {
  conversations: readonly InboxConversation[];
  hasMore: boolean;
  /** Whether a further page can be asked for now. */
  canLoadMore: boolean;
  hasStatus: boolean;
  /** Whether the rows are those of another filter, until its own are there. */
  isStale: boolean;
  openId: string | undefined;
  onNeedMore: () => void;
}

/** The rows in sight, of any number. Those that somebody looks at stay where they are, whatever happens above them. */
export function VirtualRows({ conversations, hasMore, canLoadMore, hasStatus, isStale, openId, onNeedMore }: VirtualRowsProps) {
  const draftOf = useDrafts();
  const scroller = useRef<HTMLDivElement>(null);
  const focused = useRef<string>(undefined);
  const shown = useRef(conversations);
  const indexOf = (id: string | undefined): number =>
    id === undefined ? -1 : conversations.findIndex(({ conversationId }) => conversationId === id);

  const virtualizer = useVirtualizer({
    count: conversations.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    // The row with the focus stays, wherever one scrolls: the focus must not be lost.
    rangeExtractor: (range: Range) => withRow(defaultRangeExtractor(range), indexOf(focused.current)),
  });
  const items = virtualizer.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;

  useLayoutEffect(() => {
    const element = scroller.current;
    const before = shown.current;
    shown.current = conversations;
    if (!element || element.scrollTop < ROW_HEIGHT / 2) return;
    const shift = shiftOf(before, conversations, Math.floor(element.scrollTop / ROW_HEIGHT));
    if (shift !== 0) element.scrollTop += shift * ROW_HEIGHT;
  }, [conversations]);

  useEffect(() => {
    if (canLoadMore && last >= conversations.length - LOAD_AHEAD) onNeedMore();
  }, [canLoadMore, last, conversations.length, onNeedMore]);

  useEffect(() => {
    const index = indexOf(openId);
    if (index >= 0) virtualizer.scrollToIndex(index, { align: "auto" });
    // Only opening another one brings it into sight; that the list changes does not.
  }, [openId]);

  const move = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const next = conversations[indexOf(focused.current) + step];
    if (step === 0 || !next) return;
    event.preventDefault();
    goTo(next.conversationId);
    focused.current = next.conversationId;
    virtualizer.scrollToIndex(indexOf(next.conversationId), { align: "auto" });
    requestAnimationFrame(() => {
      // Whoever has gone on to write by then is not called back.
      if (!scroller.current?.contains(document.activeElement)) return;
      rowElement(scroller.current, next.conversationId)?.focus({ preventScroll: true });
    });
  };

  const stop = items.some(({ index }) => conversations[index]?.conversationId === openId) ? openId : undefined;
  return (
    <div className="list-scroller" ref={scroller} data-testid="list" aria-busy={isStale}>
      <ol
        className="rows"
        style={{ height: virtualizer.getTotalSize() }}
        onKeyDown={move}
        onFocus={({ target }) => (focused.current = target.closest<HTMLElement>("[data-conversation]")?.dataset["conversation"])}
        onBlur={() => (focused.current = undefined)}
      >
        {items.map(({ index }, place) => {
          const row = conversations[index];
          if (!row) return null;
          const { conversationId } = row;
          return (
            <Row
              key={conversationId}
              row={row}
              index={index}
              count={hasMore ? -1 : conversations.length}
              isOpen={conversationId === openId}
              isTabStop={stop === undefined ? place === 0 : conversationId === stop}
              hasStatus={hasStatus}
              draft={draftOf(conversationId)?.text ?? ""}
            />
          );
        })}
      </ol>
    </div>
  );
}

function withRow(range: number[], index: number): number[] {
  if (index < 0 || range.includes(index)) return range;
  return [...range, index].sort((a, b) => a - b);
}

function rowElement(scroller: HTMLElement | null, id: string): HTMLElement | null {
  return scroller?.querySelector<HTMLElement>(`[data-conversation="${CSS.escape(id)}"]`) ?? null;
}
