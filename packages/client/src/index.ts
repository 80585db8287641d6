/** The client of Cossistant realtime without a framework. */

export { RELEASE_LINGER } from "./client.js";
export type { Client, ClientActions, ClientHandle, QueuedMessage, SendOptions } from "./client.js";
export { createClient } from "./create.js";
export { TokenDeniedError } from "./config.js";
export type { TokenAnswer, VisitorTokenStore, WebSocketConfig } from "./config.js";
export { PingError, RequestError, SendError } from "./errors.js";
export type { SendErrorCode } from "./errors.js";
export { forgetMessages } from "./forget.js";
export type { FailedMessage, UnknownMessage, WebSocketEventHandlers } from "./handlers.js";
export { holdAsTold } from "./wishes.js";
export { DISCONNECTED, NO_STATS, WebSocketState } from "./state.js";
export type { ClientSnapshot, ConnectionState, Identity, ServerMessageOf, WebSocketStats } from "./state.js";
export type * from "./replica/types.js";
