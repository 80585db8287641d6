/**
 * Which items of a long timeline are in the document: those in sight, some above and below, and what one is at. The others
 * are spaces of their height, as it was measured when they were shown, or as it probably is.
 */

import type { Item } from "./layout.js";

/** So few are always all there: a browser's own search finds them. */
export const ALL_MAX = 150;
/** How much is kept ready above and below what is in sight, in px. */
export const AHEAD = 1_500;

/** Room for items that are not in the document. */
export interface Space {
  readonly type: "space";
  readonly key: string;
  readonly height: number;
}

/** The heights of items by key, in px with what is between them and the next, as far as they were measured. */
export type Heights = Map<string, number>;

/** A place in a timeline. */
export interface Place {
  /** The items, and where each begins; one more number than there are items, the last of which is the height of all. */
  readonly items: readonly Item[];
  readonly starts: readonly number[];
}

/** Where items begin. Forgets heights of items that are not there any more, when there are many. */
export function placesOf(items: readonly Item[], heights: Heights): Place {
  const starts = [0];
  let sum = 0;
  for (const item of items) starts.push((sum += heights.get(item.key) ?? guess(item)));
  if (heights.size > items.length * 2 + ALL_MAX) {
    const keys = new Set(items.map(({ key }) => key));
    for (const key of heights.keys()) if (!keys.has(key)) heights.delete(key);
  }
  return { items, starts };
}

/** The item that is at this height, by index. */
export function indexAt({ items, starts }: Place, top: number): number {
  let low = 0;
  for (let high = items.length - 1; low < high; ) {
    const middle = (low + high) >> 1;
    if ((starts[middle + 1] ?? 0) <= top) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What is in the document when the item `pivot` is the first in sight, or the end is (undefined), and `view` px are:
 * items, and spaces for the others. Those whose key is in `kept` are there wherever they are.
 */
export function partsOf(place: Place, pivot: number | undefined, view: number, kept: ReadonlySet<string>): readonly (Item | Space)[] {
  const { items, starts } = place;
  if (items.length <= ALL_MAX) return items;
  const all = starts.at(-1) ?? 0;
  const top = pivot === undefined ? all - view : (starts[pivot] ?? 0);
  const from = indexAt(place, top - AHEAD);
  const to = indexAt(place, top + view + AHEAD);
  const parts: (Item | Space)[] = [];
  let shown = 0;
  const leave = (until: number): void => {
    const height = (starts[until] ?? 0) - (starts[shown] ?? 0);
    if (until > shown) parts.push({ type: "space", key: `space ${parts.length === 0 ? "above" : (items[shown]?.key ?? "")}`, height });
  };
  items.forEach((item, index) => {
    if ((index < from || index > to) && !kept.has(item.key)) return;
    leave(index);
    parts.push(item);
    shown = index + 1;
  });
  leave(items.length);
  return parts;
}

/** How high something that was never shown will be, about. */
function guess(item: Item): number {
  if (item.type !== "message") return 44;
  const { text = "", attachments = [] } = item.message.content ?? {};
  return 36 + 20 * Math.floor(text.length / 70) + 64 * attachments.length + (item.isFirst ? 30 : 0);
}
