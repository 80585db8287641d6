"use client";

/**
 * The same as `@cossistant/react/websocket`, for those who serve the engine's file themselves: say where it is with
 * `configureEngine({ wasm: "/engine.wasm" })` before the first connection. The file is `@cossistant/react/engine.wasm`.
 */

export { configureEngine, type EngineSource } from "@cossistant/client/engine";
// By name, since a module of client code may not export whatever another one does.
export {
  PingError,
  RequestError,
  SendError,
  TokenDeniedError,
  useAdvancedWebSocket,
  useConnection,
  useConversation,
  useInbox,
  useWebSocket,
  useWebSocketDirect,
  useWebSocketEvent,
  useWebSocketSelector,
  WebSocketDevtools,
  WebSocketProvider,
  WebSocketState,
} from "./websocket.js";
export type * from "./websocket.js";
