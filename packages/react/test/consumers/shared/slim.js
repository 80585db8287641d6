// The application serves the engine's file itself.
import { configureEngine } from "@cossistant/react/websocket/slim";

configureEngine({ wasm: "/engine.wasm" });
await import("./main.js");
