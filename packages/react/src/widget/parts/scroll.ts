"use client";

/** A list that stays at its end while the reader is there, and stays where it is while older rows come above it. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

/** So near to the end counts as there, in px. */
const END = 48;
/** So near to the beginning older rows are wanted, in px. */
const BEGINNING = 240;

/** What the list is told. */
export interface ScrollInput {
  /** What the list begins with; another one means that something came above what was there, or went. */
  firstKey: string | undefined;
  /** What the reader has put at the end and is on its way, which leads there. */
  sentKey: string | undefined;
  onBeginning: () => void;
}

/** What the list is given. */
export interface Scroll {
  ref: RefObject<HTMLDivElement | null>;
  onScroll: () => void;
  isAtEnd: boolean;
  toEnd: () => void;
}

/** Keeps the place of a list that scrolls. */
export function useScroll({ firstKey, sentKey, onBeginning }: ScrollInput): Scroll {
  const ref = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const place = useRef({ isAtEnd: true, height: 0, top: 0, firstKey, sentKey });

  const onScroll = useCallback(() => {
    const list = ref.current;
    // A list that is not shown has no place; the one of before is kept.
    if (!list || list.clientHeight === 0) return;
    const fromEnd = list.scrollHeight - list.scrollTop - list.clientHeight;
    // Content that grew moved the end, not the reader.
    const isSameHeight = list.scrollHeight === place.current.height;
    if (isSameHeight || fromEnd <= END) place.current.isAtEnd = fromEnd <= END;
    place.current.top = list.scrollTop;
    place.current.height = list.scrollHeight;
    setAtEnd(place.current.isAtEnd);
    if (list.scrollTop < BEGINNING && list.scrollHeight > list.clientHeight) onBeginning();
  }, [onBeginning]);

  const settle = useCallback(() => {
    const list = ref.current;
    if (!list || list.clientHeight === 0) return;
    if (place.current.isAtEnd) list.scrollTop = list.scrollHeight;
    place.current.height = list.scrollHeight;
    place.current.top = list.scrollTop;
  }, []);

  useLayoutEffect(() => {
    const list = ref.current;
    const before = place.current;
    if (!list || list.clientHeight === 0) return;
    const hasRowsAbove = before.firstKey !== undefined && before.firstKey !== firstKey && !before.isAtEnd;
    if (hasRowsAbove) list.scrollTop = before.top + list.scrollHeight - before.height;
    if (sentKey !== undefined && before.sentKey !== sentKey) before.isAtEnd = true;
    before.firstKey = firstKey;
    before.sentKey = sentKey;
    settle();
  });

  // Pictures that arrive, a keyboard that opens, a panel that is shown.
  useEffect(() => {
    const list = ref.current;
    const content = list?.firstElementChild;
    if (!list || !content) return;
    const observer = new ResizeObserver(settle);
    observer.observe(list);
    observer.observe(content);
    return () => observer.disconnect();
  }, [settle]);

  const toEnd = useCallback(() => {
    place.current.isAtEnd = true;
    setAtEnd(true);
    settle();
  }, [settle]);

  return { ref, onScroll, isAtEnd, toEnd };
}
