/** The words that a Cossistant client and server say to each other. */

export * from "./schemas.js";
export * from "./types.js";
export * from "./validate.js";
