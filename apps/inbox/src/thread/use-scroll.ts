/** Scrolling as one expects of a conversation: it stays at its end, or where one reads, whatever grows or comes. */

import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from "react";

/** Nearer to the end than this is at the end, in px. */
const END = 48;
/** Nearer to the top than this is time for older messages, in px. */
const NEAR_TOP = 500;

/** See above. */
export interface Scroll {
  /** What scrolls. */
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** What is in it: its children are what may be held in place. */
  readonly content: RefObject<HTMLDivElement | null>;
  /** Whether one is at the end, and stays there. */
  readonly isAtEnd: boolean;
  readonly onScroll: () => void;
  readonly toEnd: () => void;
  /** Shows the newest from this element on, as far as there is room. */
  readonly toElement: (element: Element) => void;
}

/** `items` is what is shown; `onNearTop` is called when older ones are wanted. */
export function useScroll(items: unknown, onNearTop: (() => void) | undefined): Scroll {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  /**
   * What is held in place, and where its lower edge is below the top of the scroller; undefined at the end. Of a message
   * the upper edge moves: it has a name above it until older ones of the same person come.
   */
  const held = useRef<{ element: Element; bottom: number }>(undefined);

  const settle = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const { element, bottom } = held.current ?? {};
    if (!element) box.scrollTop = box.scrollHeight;
    else if (element.isConnected && bottom !== undefined) box.scrollTop += bottomOf(element, box) - bottom;
  }, []);

  const onScroll = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const isEnd = box.scrollHeight - box.scrollTop - box.clientHeight < END;
    const element = isEnd ? undefined : firstInSight(box, content.current);
    held.current = element && { element, bottom: bottomOf(element, box) };
    setAtEnd(isEnd);
    if (box.scrollTop < NEAR_TOP) onNearTop?.();
  }, [onNearTop]);

  useLayoutEffect(() => {
    settle();
    if (scroller.current && scroller.current.scrollTop < NEAR_TOP) onNearTop?.();
  }, [items, settle, onNearTop]);

  useLayoutEffect(() => {
    // Pictures, a composer that grows, a window that shrinks.
    const observer = new ResizeObserver(settle);
    for (const element of [scroller.current, content.current]) if (element) observer.observe(element);
    return () => observer.disconnect();
  }, [settle]);

  const toEnd = useCallback(() => {
    held.current = undefined;
    setAtEnd(true);
    settle();
  }, [settle]);
  const toElement = useCallback((element: Element) => {
    const box = scroller.current;
    if (!box || topOf(element, box) >= 0) return;
    box.scrollTop += topOf(element, box) - END;
    held.current = { element, bottom: bottomOf(element, box) };
    setAtEnd(false);
  }, []);
  return { scroller, content, isAtEnd, onScroll, toEnd, toElement };
}

function topOf(element: Element, box: HTMLElement): number {
  return element.getBoundingClientRect().top - box.getBoundingClientRect().top;
}

function bottomOf(element: Element, box: HTMLElement): number {
  return element.getBoundingClientRect().bottom - box.getBoundingClientRect().top;
}

/**
 * The first message that is not wholly above: found by halves, since they stand in order. What stands between messages,
 * such as a day, moves when older ones come, and holds nothing in place.
 */
function firstInSight(box: HTMLElement, content: HTMLElement | null): Element | undefined {
  const children = content?.children ?? [];
  const edge = box.getBoundingClientRect().top;
  let low = 0;
  for (let high = children.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((children[middle]?.getBoundingClientRect().bottom ?? 0) <= edge) low = middle + 1;
    else high = middle;
  }
  let found = children[low];
  while (found && found.tagName !== "ARTICLE") found = found.nextElementSibling ?? undefined;
  return found;
}
