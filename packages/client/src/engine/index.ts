/** The engine in TypeScript: what it takes and gives, and how to load it. */

export { EngineTrap } from "./host.js";
export { configureEngine, type EngineSource } from "./configure.js";
export { loadEngine } from "./load.js";
export type * from "./types.js";
