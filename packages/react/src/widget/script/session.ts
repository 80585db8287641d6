/** What the script tag loads to connect. */

export { configureEngine } from "@cossistant/client/engine";
export { createSession } from "../session.js";
