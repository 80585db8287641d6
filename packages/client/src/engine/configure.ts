/** Choosing where the engine comes from; apart from loading it, because few pages do. */

import { setSource } from "./load.js";

/** Choices for `configureEngine`. */
export interface EngineSource {
  /**
   * The `.wasm` file, for those who serve it themselves: where it is, or its bytes, or compiled.
   *
   * Default: it comes inside of a JavaScript chunk, which needs no server and no bundler plugin.
   */
  wasm?: string | URL | Response | BufferSource | WebAssembly.Module;
  /** `js`: the plain-JavaScript build, without trying WebAssembly first. */
  variant?: "js";
}

/**
 * Says where the engine comes from. To be called before the first `loadEngine`; later it holds from the next
 * load on, which comes after a failure.
 */
export function configureEngine(next: EngineSource): void {
  const { wasm, variant } = next;
  setSource({ variant, compile: wasm ? () => compile(wasm) : undefined });
}

async function compile(wasm: NonNullable<EngineSource["wasm"]>): Promise<WebAssembly.Module> {
  if (typeof wasm === "string" || wasm instanceof URL) {
    wasm = await fetch(wasm);
  }
  if (wasm instanceof WebAssembly.Module) return wasm;
  if (!(typeof Response === "function" && wasm instanceof Response)) {
    // What is left are bytes; the compiler cannot know, because the type of a module has no members.
    return WebAssembly.compile(wasm as BufferSource);
  }
  if (!wasm.ok) throw new Error(`the engine's .wasm file cannot be fetched: status ${wasm.status}`);
  // It may be served under another type than streaming asks for.
  return WebAssembly.compile(await wasm.arrayBuffer());
}
