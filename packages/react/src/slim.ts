"use client";

/**
 * The same as `@cossistant/react/websocket`, for those who serve the engine's file themselves: say where it is with
 * `configureEngine({ wasm: "/engine.wasm" })` before the first connection. The file is `@cossistant/react/engine.wasm`.
 */

export { configureEngine, type EngineSource } from "@cossistant/client/engine";
export * from "./websocket.js";
