/** Builds the script tag once for all test files. */

import { buildAll } from "../../apps/widget/build.mjs";

export default async function setup(): Promise<void> {
  // The server has it inside when `cargo xtask e2e` built it; what lies there now is the same.
  if (process.env["COSSISTANT_APPS_BUILT"] === undefined) await buildAll();
}
