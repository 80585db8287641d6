/**
 * Scrolling as one expects of a conversation: it stays at its end, or where one reads, whatever grows or comes. Of a long
 * one only a stretch is in the document.
 */

import { useCallback, useLayoutEffect, useMemo, useRef, useState, type FocusEvent, type RefObject } from "react";

import type { Item } from "./layout.js";
import { indexAt, partsOf, placesOf, type Heights, type Space } from "./stretch.js";

/** Nearer to the end than this is at the end, in px. */
const END = 48;
/** Nearer to the top than this is time for older messages, in px. */
const NEAR_TOP = 500;
/** After so many px the stretch follows: often, because a few messages at a time are soon made. */
const STEP = 250;

/** See above. Elements of items have the item's key in `data-key`. */
export interface Scroll {
  /** What scrolls. */
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** What is in it: its children are the parts, between others. */
  readonly content: RefObject<HTMLDivElement | null>;
  /** What is in the document. */
  readonly parts: readonly (Item | Space)[];
  /** Whether one is at the end, and stays there. */
  readonly isAtEnd: boolean;
  /** Whether one stays at the end from now on: what `isAtEnd` becomes with the next rendering. */
  readonly staysAtEnd: () => boolean;
  readonly toEnd: () => void;
  /** Shows the newest from this item on, as far as there is room. */
  readonly toItem: (key: string) => void;
  /** For the scroller, and for what is in it. */
  readonly onScroll: () => void;
  readonly onFocus: (event: FocusEvent) => void;
  readonly onBlur: () => void;
}

/** What is held in place: an item's edge, so far below the top of the scroller. */
interface Held {
  readonly key: string;
  /**
   * Of a message the upper edge moves: it has a name above it until older ones of the same person come. Where an item is
   * yet to be shown, its height is not known.
   */
  readonly edge: "top" | "bottom";
  readonly at: number;
}

/**
 * `items` is what there is to be shown; the one of the key `edited` stays in the document. `onNearTop` is called when
 * older ones are wanted.
 */
export function useScroll(items: readonly Item[], edited: string | undefined, onNearTop: (() => void) | undefined): Scroll {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  /** The item about which the stretch is; undefined at the end. */
  const [pivot, setPivot] = useState<string>();
  const [heights] = useState<Heights>(() => new Map());
  /** Undefined at the end. */
  const held = useRef<Held>(undefined);
  const focused = useRef<string>(undefined);

  const [place, parts] = useMemo(() => {
    const place = placesOf(items, heights);
    const at = pivot === undefined ? -1 : items.findIndex(({ key }) => key === pivot);
    // What has the focus, or is being edited, must not be lost by scrolling.
    const kept = new Set([edited, focused.current].filter((key) => key !== undefined));
    return [place, partsOf(place, at < 0 ? undefined : at, innerHeight, kept)] as const;
  }, [items, pivot, edited, heights]);
  const shown = useRef(place);

  /** Puts what is held back to its place, and learns how high things are. */
  const settle = useCallback(() => {
    const [box, list] = [scroller.current, content.current];
    if (!box || !list) return;
    measure(list, heights);
    if (!held.current) box.scrollTop = box.scrollHeight;
    else {
      const { key, edge, at } = held.current;
      const element = elementOf(list, key);
      if (element) box.scrollTop += edgesOf(element, box)[edge] - at;
    }
  }, [heights]);

  const onScroll = useCallback(() => {
    const [box, list] = [scroller.current, content.current];
    if (!box || !list) return;
    const isEnd = box.scrollHeight - box.scrollTop - box.clientHeight < END;
    const { items, starts } = shown.current;
    if (isEnd || items.length === 0) {
      held.current = undefined;
      setPivot(undefined);
    } else {
      const found = firstInSight(box, list);
      // One may have jumped to where nothing is yet.
      const index = indexAt(shown.current, box.scrollTop);
      const key = found?.dataset["key"] ?? items[index]?.key ?? "";
      held.current = found ? { key, edge: "bottom", at: edgesOf(found, box).bottom } : { key, edge: "top", at: (starts[index] ?? 0) - box.scrollTop };
      setPivot((old) => {
        if (old === undefined || !found) return key;
        const startOf = (wanted: string): number => starts[items.findIndex((item) => item.key === wanted)] ?? -Infinity;
        return Math.abs(startOf(key) - startOf(old)) > STEP ? key : old;
      });
    }
    setAtEnd(isEnd);
    if (box.scrollTop < NEAR_TOP) onNearTop?.();
  }, [onNearTop]);

  useLayoutEffect(() => {
    shown.current = place;
    settle();
    if (scroller.current && scroller.current.scrollTop < NEAR_TOP) onNearTop?.();
  }, [place, parts, settle, onNearTop]);

  useLayoutEffect(() => {
    // Pictures, a composer that grows, a window that shrinks.
    const observer = new ResizeObserver(settle);
    for (const element of [scroller.current, content.current]) if (element) observer.observe(element);
    return () => observer.disconnect();
  }, [settle]);

  const staysAtEnd = useCallback(() => held.current === undefined, []);
  const toEnd = useCallback(() => {
    held.current = undefined;
    setPivot(undefined);
    setAtEnd(true);
    settle();
  }, [settle]);
  const toItem = useCallback(
    (key: string) => {
      const [box, list] = [scroller.current, content.current];
      const element = list && elementOf(list, key);
      if (!box || (element && edgesOf(element, box).top >= 0)) return;
      held.current = { key, edge: "top", at: END };
      setPivot(key);
      setAtEnd(false);
      settle();
    },
    [settle],
  );
  const onFocus = useCallback(({ target }: FocusEvent) => {
    focused.current = target.closest<HTMLElement>("[data-key]")?.dataset["key"];
  }, []);
  const onBlur = useCallback(() => void (focused.current = undefined), []);
  return { scroller, content, parts, isAtEnd, staysAtEnd, toEnd, toItem, onScroll, onFocus, onBlur };
}

function elementOf(list: HTMLElement, key: string): HTMLElement | null {
  return list.querySelector<HTMLElement>(`:scope > [data-key="${CSS.escape(key)}"]`);
}

/** Where an element's edges are, below the top of the scroller. */
function edgesOf(element: Element, box: HTMLElement): { top: number; bottom: number } {
  const { top, bottom } = element.getBoundingClientRect();
  const edge = box.getBoundingClientRect().top;
  return { top: top - edge, bottom: bottom - edge };
}

/** Learns the heights of what is shown. One behind a space stands otherwise than behind what it belongs to. */
function measure(list: HTMLElement, heights: Heights): void {
  let before: { key: string; top: number } | undefined;
  for (const child of list.children) {
    const { top } = child.getBoundingClientRect();
    if (before) heights.set(before.key, top - before.top);
    const key = (child as HTMLElement).dataset["key"];
    const isBehindSpace = child.previousElementSibling?.classList.contains("space") ?? false;
    before = key === undefined || isBehindSpace ? undefined : { key, top };
  }
}

/**
 * The first message that is not wholly above, if it is in sight: found by halves, since they stand in order. What stands
 * between messages, such as a day, moves when older ones come, and holds nothing in place.
 */
function firstInSight(box: HTMLElement, list: HTMLElement): HTMLElement | undefined {
  const { children } = list;
  const { top, bottom } = box.getBoundingClientRect();
  let low = 0;
  for (let high = children.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((children[middle]?.getBoundingClientRect().bottom ?? 0) <= top) low = middle + 1;
    else high = middle;
  }
  let found = children[low];
  while (found && !(found.tagName === "ARTICLE" && (found as HTMLElement).dataset["key"] !== undefined)) found = found.nextElementSibling ?? undefined;
  return found && found.getBoundingClientRect().top < bottom ? (found as HTMLElement) : undefined;
}
