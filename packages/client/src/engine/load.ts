/** Where the engine comes from. */

import type { Exports } from "./abi.js";
import { createEngine } from "./host.js";
import type { EngineFactory, EngineVariant } from "./types.js";

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
/** A build of the engine, of which any number of instances can be made. */
interface Build {
  readonly variant: EngineVariant;
  instantiate(): Promise<Exports> | Exports;
}

let loading: Promise<Build> | undefined;

/**
 * Says where the engine comes from. To be called before the first `loadEngine`; later it holds from the next
 * load on, which comes after a failure.
 */
export function configureEngine(next: EngineSource): void {
  source = next;
}

/**
 * Loads the engine, once for all who ask, and gives each of them an instance: what one of them does to it is of no
 * concern to the others. A failure is not kept: the next call tries again.
 *
 * Where WebAssembly is missing or forbidden by the page's CSP, the plain-JavaScript build comes instead.
 */
export async function loadEngine(): Promise<EngineFactory> {
  const present = (loading ??= load());
  try {
    const { variant, instantiate } = await present;
    const exports = await instantiate();
    return { variant, create: (config, seed) => createEngine(exports, config, seed) };
  } catch (error) {
    if (loading === present) loading = undefined;
    throw error;
  }
}

async function load(): Promise<Build> {
  const { wasm, variant } = source;
  if (variant !== "js" && typeof WebAssembly === "object" && (wasm || typeof DecompressionStream === "function")) {
    try {
      const module = await compile(wasm);
      // The exports are those of `crates/client-wasm/src/abi.rs`.
      const instantiate = async () => (await WebAssembly.instantiate(module)).exports as unknown as Exports;
      return { variant: "wasm", instantiate };
    } catch (error) {
      if (!isForbidden(error)) throw error;
    }
  }
  const { instantiate } = await import("./generated/fallback.js");
  return { variant: "js", instantiate };
}

/** A CSP without 'wasm-unsafe-eval' makes compiling fail, in the words of each browser. */
function isForbidden(error: unknown): boolean {
  return error instanceof WebAssembly.CompileError || error instanceof EvalError;
}

async function compile(wasm: EngineSource["wasm"]): Promise<WebAssembly.Module> {
  if (wasm === undefined) {
    const inline = await import("./generated/inline.js");
    wasm = await inline.bytes();
  } else if (typeof wasm === "string" || wasm instanceof URL) {
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
