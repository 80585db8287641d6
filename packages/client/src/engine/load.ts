/** Where the engine comes from. */

import type { Exports } from "./abi.js";
import { makeFactory } from "./host.js";
import type { EngineFactory } from "./types.js";

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

let source: EngineSource = {};
let loading: Promise<EngineFactory> | undefined;

/**
 * Says where the engine comes from. To be called before the first `loadEngine`; later it holds from the next
 * load on, which comes after a failure.
 */
export function configureEngine(next: EngineSource): void {
  source = next;
}

/**
 * Loads the engine, once for all who ask. A failure is not kept: the next call tries again, and so does the
 * first one after an `EngineTrap`.
 *
 * Where WebAssembly is missing or forbidden by the page's CSP, the plain-JavaScript build comes instead.
 */
export function loadEngine(): Promise<EngineFactory> {
  const reset = () => {
    if (loading === present) loading = undefined;
  };
  const present: Promise<EngineFactory> = (loading ??= load(reset));
  present.catch(reset);
  return present;
}

async function load(reset: () => void): Promise<EngineFactory> {
  const { wasm, variant } = source;
  if (variant !== "js" && typeof WebAssembly === "object" && (wasm || typeof DecompressionStream === "function")) {
    try {
      // The exports are those of `crates/client-wasm/src/abi.rs`.
      const exports = (await instantiate(wasm)).exports as unknown as Exports;
      return makeFactory("wasm", exports, reset);
    } catch (error) {
      if (!isForbidden(error)) throw error;
    }
  }
  const fallback = await import("./generated/fallback.js");
  return makeFactory("js", fallback.instantiate(), reset);
}

/** A CSP without 'wasm-unsafe-eval' makes compiling fail, in the words of each browser. */
function isForbidden(error: unknown): boolean {
  return error instanceof WebAssembly.CompileError || error instanceof EvalError;
}

async function instantiate(wasm: EngineSource["wasm"]): Promise<WebAssembly.Instance> {
  if (wasm === undefined) {
    const inline = await import("./generated/inline.js");
    wasm = await inline.bytes();
  } else if (typeof wasm === "string" || wasm instanceof URL) {
    wasm = await fetch(wasm);
  }
  if (wasm instanceof WebAssembly.Module) return WebAssembly.instantiate(wasm);
  if (!(typeof Response === "function" && wasm instanceof Response)) {
    // What is left are bytes; the compiler cannot know, because the type of a module has no members.
    return (await WebAssembly.instantiate(wasm as BufferSource)).instance;
  }
  if (!wasm.ok) throw new Error(`the engine's .wasm file cannot be fetched: status ${wasm.status}`);
  const again = wasm.clone();
  try {
    return (await WebAssembly.instantiateStreaming(wasm)).instance;
  } catch (error) {
    // Streaming refuses a file that is served under another type than application/wasm.
    if (!(error instanceof TypeError)) throw error;
    return (await WebAssembly.instantiate(await again.arrayBuffer())).instance;
  }
}
