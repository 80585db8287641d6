/** The engine in TypeScript: what it takes and gives, and how to load it. */

export { EngineTrap } from "./host.js";
export { configureEngine, loadEngine, type EngineSource } from "./load.js";
export type * from "./types.js";
