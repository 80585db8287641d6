/** Where the engine comes from. */

import type { Exports } from "./abi.js";
import { createEngine } from "./host.js";
import type { EngineFactory, EngineVariant } from "./types.js";

/** What `configureEngine` says. */
export interface Source {
  variant?: "js" | undefined;
  compile?: (() => Promise<WebAssembly.Module>) | undefined;
}

let source: Source = {};

/** A build of the engine, of which any number of instances can be made. */
interface Build {
  readonly variant: EngineVariant;
  instantiate(): Promise<Exports> | Exports;
}

let loading: Promise<Build> | undefined;

/** Holds from the next load on. */
export function setSource(next: Source): void {
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
  const { compile, variant } = source;
  if (variant !== "js" && typeof WebAssembly === "object" && (compile || typeof DecompressionStream === "function")) {
    try {
      const module = await (compile ?? compileInline)();
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

/** From the chunk that has the module inside. */
async function compileInline(): Promise<WebAssembly.Module> {
  const { bytes } = await import("./generated/inline.js");
  return WebAssembly.compile(await bytes());
}
