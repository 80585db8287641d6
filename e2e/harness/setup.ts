/** Bundles the test pages once for all test files. */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

import { CHROMIUM, PAGES, ROOT, SERVER } from "./paths.js";

export default async function setup(): Promise<void> {
  for (const file of [CHROMIUM, SERVER]) if (!existsSync(file)) throw new Error(`${file} is missing; run \`cargo xtask e2e\``);
  rmSync(PAGES, { recursive: true, force: true });
  mkdirSync(PAGES, { recursive: true });
  const names = ["client", "react"];
  await build({
    absWorkingDir: ROOT,
    entryPoints: { client: "e2e/page/client.ts", react: "e2e/page/react.tsx" },
    outdir: PAGES,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    // React warns about wrong use in this mode only, and tests look for warnings.
    define: { "process.env.NODE_ENV": '"development"' },
    // The page's own imports are resolved as an application's would be.
    nodePaths: [join(ROOT, "node_modules"), join(ROOT, "packages/react/node_modules")],
    logLevel: "warning",
  });
  for (const name of names) {
    writeFileSync(
      join(PAGES, `${name}.html`),
      `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>${name}</title>` +
        `<div id="root"></div><script type="module" src="/${name}.js"></script></html>`,
    );
  }
}
