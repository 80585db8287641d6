/** Waiting for what is needed, rather than for a time. */

import { setImmediate as turn } from "node:timers/promises";

// Taken now, so that a test with a clock of its own can wait as well.
const { now } = Date;

/** How long anything may take, in ms. */
const DEADLINE = 10_000;

/** Waits until the answer is one. */
export async function until<Answer>(what: string, ask: () => Answer): Promise<NonNullable<Answer>> {
  const deadline = now() + DEADLINE;
  for (;;) {
    const answer = ask();
    if (answer) return answer;
    if (now() > deadline) throw new Error(`waited in vain: ${what}`);
    await turn();
  }
}

/** Lets everything happen that is on its way: all microtasks, and some turns of the loop for sockets. */
export async function settle(turns = 20): Promise<void> {
  for (let count = 0; count < turns; count += 1) await turn();
}
