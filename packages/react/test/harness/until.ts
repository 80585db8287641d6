/** Waiting for what is needed, and no longer. */

import { waitFor } from "@testing-library/react/pure";

/** Resolves once `isSo` gives something true, or fails with what was waited for. */
export async function until<Found>(what: string, isSo: () => Found, timeout = 10_000): Promise<NonNullable<Found>> {
  return waitFor(
    () => {
      const found = isSo();
      if (!found) throw new Error(`not within ${timeout} ms: ${what}`);
      return found;
    },
    { timeout, interval: 5 },
  );
}
