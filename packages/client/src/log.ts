/** What the client says to the console when it is asked to: never the text of messages, never a token. */

import type { Core } from "./core.js";

/** Says what happened, with what helps to understand it. */
export type Log = (what: string, ...details: unknown[]) => void;

/** A log that is silent unless `debug` is on. */
export function createLog(core: Core): Log {
  return (what, ...details) => {
    if (core.config.debug) console.debug(`[cossistant] ${what}`, ...details);
  };
}
