/** Keeping what somebody looks at where it is, while a list changes above it. */

/** A row, as far as its place goes. */
interface Placed {
  readonly conversationId: string;
  readonly lastActivityAt: string;
}

/**
 * By how many rows what was shown from `first` on has moved. Rows that went elsewhere by an activity of their own say
 * nothing of the others; 0 when none of the next `look` rows stayed.
 */
export function shiftOf(before: readonly Placed[], after: readonly Placed[], first: number, look = 20): number {
  if (before === after) return 0;
  for (let at = first; at < Math.min(before.length, first + look); at += 1) {
    const old = before[at];
    if (!old) return 0;
    const isSame = ({ conversationId, lastActivityAt }: Placed): boolean =>
      conversationId === old.conversationId && lastActivityAt === old.lastActivityAt;
    const next = after.findIndex(isSame);
    if (next >= 0) return next - at;
  }
  return 0;
}
