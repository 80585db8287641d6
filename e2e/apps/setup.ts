/** Builds the script tag once for all test files. */

import { buildAll } from "../../apps/widget/build.mjs";

export default async function setup(): Promise<void> {
  await buildAll();
}
