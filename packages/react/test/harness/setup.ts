/** Around each test: what is mounted is unmounted, and whatever React or the client complain of fails it. */

import { cleanup } from "@testing-library/react/pure";
import { afterAll, afterEach, beforeEach, expect, vi } from "vitest";

import { until } from "./until.js";

const complaints: unknown[][] = [];

/** Takes away the complaints that a test expects. */
export function takeComplaints(): unknown[][] {
  return complaints.splice(0);
}

/** The clients that there are, mounted or about to end. */
export function clients(): ReadonlySet<unknown> {
  // The registry keeps them under this name.
  const shared = Reflect.get(globalThis, Symbol.for("@cossistant/react/1")) as { entries: Set<unknown> } | undefined;
  return shared?.entries ?? new Set();
}

beforeEach(() => {
  complaints.length = 0;
  for (const level of ["error", "warn"] as const) {
    vi.spyOn(console, level).mockImplementation((...words) => void complaints.push(words));
  }
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  expect(complaints).toEqual([]);
});

// The page goes with the last test, and a client that ends after it would find none.
afterAll(async () => {
  if (typeof document !== "undefined") await until("no client lingers", () => clients().size === 0);
});
