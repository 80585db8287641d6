/** What the client says to the console when it is asked to: never the text of messages, never a token. */

/** Says what happened, with what helps to understand it. */
export type Log = (what: string, ...details: unknown[]) => void;

/** A log that is silent unless `isOn`. */
export function createLog(isOn: () => boolean | undefined): Log {
  return (what, ...details) => {
    if (isOn()) console.debug(`[cossistant] ${what}`, ...details);
  };
}
