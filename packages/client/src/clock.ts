/** The engine's clock. */

/** A difference between both clocks that counts as a sleep of the machine, in ms. */
const SLEEP = 5_000;

/** A difference that counts as a wall clock that was set, in ms. */
const STEP = 1_000;

/** Milliseconds that never step back, and that leap ahead when the machine slept. */
export interface Clock {
  /** The present time, in whole ms since the clock was made. */
  now(): number;
  /** A time of this clock, in ms since 1970. */
  toWall(at: number): number;
}

/**
 * Makes a clock.
 *
 * The monotonic clock of many browsers stands still during a sleep, and the wall clock may be set. So time is taken
 * from the first, and from the second only where it has run far ahead of it.
 */
export function createClock(): Clock {
  let monotonic = performance.now();
  let wall = Date.now();
  let total = 0;
  const now = () => {
    const ran = Math.max(0, performance.now() - monotonic);
    const passed = Date.now() - wall;
    total += passed > ran + SLEEP ? passed : ran;
    monotonic = performance.now();
    wall += passed;
    return Math.floor(total);
  };
  let offset = Date.now() - now();
  return {
    now,
    toWall(at) {
      // The same time is the same number, unless the wall clock was set.
      const present = Date.now() - now();
      if (Math.abs(present - offset) > STEP) offset = present;
      return offset + at;
    },
  };
}
