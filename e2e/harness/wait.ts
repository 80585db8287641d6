/** Waiting for what is to happen, with a deadline. */

/** How long a test waits for one thing: a debug build on a busy machine. */
export const PATIENCE = 20_000;
const STEP = 20;

/**
 * Waits until `probe` gives something that is neither false nor undefined nor null, and gives it.
 *
 * @throws when it does not within `patience` ms; the error says `what` and what `describe` gives.
 */
export async function until<Value>(
  what: string,
  probe: () => Value | Promise<Value>,
  { patience = PATIENCE, describe }: { patience?: number; describe?: () => string | Promise<string> } = {},
): Promise<NonNullable<Exclude<Value, false>>> {
  const deadline = Date.now() + patience;
  for (;;) {
    const value = await probe();
    if (value !== false && value !== undefined && value !== null) {
      return value as NonNullable<Exclude<Value, false>>;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${patience} ms${describe ? `; ${await describe()}` : ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, STEP));
  }
}

/** A name that no other test has. */
export function unique(prefix: string): string {
  return `${prefix}-${process.pid}-${(counter += 1)}-${Date.now().toString(36)}`;
}
let counter = 0;
