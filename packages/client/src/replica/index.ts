/** The replica: what screens show, kept up to date by events. */

export { createReplica } from "./replica.js";
export type { Replica } from "./replica.js";
