/** The code in the package's README. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

const README = join(import.meta.dirname, "../../README.md");

/** Each block of code as a module of its own, in order. */
export function readmeModules(): Record<string, string> {
  const blocks = readFileSync(README, "utf8").matchAll(/^```tsx\n(.*?)^```$/gms);
  return Object.fromEntries([...blocks].map(([, text = ""], index) => [`test/readme-${index + 1}.tsx`, text]));
}
