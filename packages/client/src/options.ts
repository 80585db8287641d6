/** From the choices of an application to those of the engine. */

import type { Core } from "./core.js";
import { DEFAULTS } from "./engine/defaults.js";
import type { EngineConfig } from "./engine/types.js";

/** What the engine is to know by now; what is not chosen, or is undefined, is as by default. */
export function engineConfig({ config, credentials }: Core): EngineConfig {
  const isChosen = ([name, value]: [string, unknown]) => name in DEFAULTS && (value ?? undefined) !== undefined;
  const chosen = Object.entries(config).filter(isChosen);
  return { ...DEFAULTS, ...Object.fromEntries(chosen), hasTokenSource: credentials.hasTokenSource };
}
