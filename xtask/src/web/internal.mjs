/**
 * Short names for what the packages call their own parts by.
 *
 * Minifiers shorten variables and leave names of properties alone, since they cannot know who else uses them. Of these
 * we know it: they stand neither on the wire, in storage or in messages between tabs, nor in anything that
 * applications see. `pack.mjs` checks the last against the types that are published. A name may be added that means the
 * same in every file where it stands, and that is never made of strings while the code runs.
 */
export const INTERNAL = [
  // The parts of a client.
  "session",
  "outgoing",
  "wishes",
  "credentials",
  "connection",
  "events",
  "facts",
  "extras",
  "lifetime",
  "pings",
  "clock",
  "journal",
  "engine",
  "link",
  // What they know.
  "isDestroyed",
  "isReady",
  "maxBytes",
  "isHandling",
  "isWanted",
  "isVisitor",
  "isMissed",
  "isKnown",
  "isSent",
  "isHeard",
  // What they do.
  "input",
  "change",
  "failed",
  "dial",
  "deliver",
  "resync",
  "toWall",
  "enter",
  "tell",
  "emit",
  "changed",
  "halted",
  "allFailed",
  "holders",
  "socket",
  "isOver",
  "acked",
  "transmit",
  "replay",
  "renew",
  "answered",
  "established",
  "bearer",
  "endpoint",
  "principal",
  "opened",
  "received",
  "troubled",
  "tryAgain",
  "attach",
  "hold",
  "ask",
  "note",
  "known",
  "lazy",
  "functions",
  "selected",
  "getServerSnapshot",
  // What the replica is given.
  "onFact",
  "subscriptionState",
  "createId",
  "createStore",
  // The border to the engine.
  "writeConfig",
  "writeInput",
  "readOutput",
  "toNumber",
  "toMeaning",
  "sweep",
];

const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const SHORT = [...LETTERS, ...LETTERS.map((letter) => `$${letter}`)];

/** Options of esbuild that shorten them. The same name is as short everywhere, so that built packages fit together. */
export const shortened = {
  mangleProps: new RegExp(`^(${INTERNAL.join("|")})$`),
  mangleCache: Object.fromEntries(INTERNAL.map((name, place) => [name, SHORT[place]])),
};
