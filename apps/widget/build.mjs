/**
 * Makes `dist`: `widget.js`, the chunks that it loads from `widget/`, and the page of the demo shop.
 *
 *     npm run build            writes dist
 *     npm run size             builds, prints what a page downloads, and fails when it is over its budget
 */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";

import { build } from "esbuild";

const folder = import.meta.dirname;
export const dist = join(folder, "dist");

const common = {
  absWorkingDir: folder,
  bundle: true,
  minify: true,
  target: "es2022",
  platform: "browser",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
};

/** Builds everything; gives esbuild's account of the chunks. */
export async function buildAll() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const chunks = await build({
    ...common,
    entryPoints: { start: "src/start.ts" },
    outdir: "dist/widget",
    // Names change with what is in them, so that browsers may keep them for ever.
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    splitting: true,
    format: "esm",
    jsx: "automatic",
    // The small runtime in place of React.
    alias: {
      react: "preact/compat",
      "react-dom": "preact/compat",
      "react-dom/client": "preact/compat/client",
      "react/jsx-runtime": "preact/jsx-runtime",
    },
    metafile: true,
  });
  const start = Object.entries(chunks.metafile.outputs).find(([, { entryPoint }]) => entryPoint === "src/start.ts");
  const loader = await build({
    ...common,
    entryPoints: { widget: "src/loader.ts" },
    outdir: "dist",
    format: "iife",
    define: { ...common.define, START: JSON.stringify(`widget/${basename(start[0])}`) },
    metafile: true,
  });
  cpSync(join(folder, "demo"), join(dist, "demo"), { recursive: true });
  return { chunks: chunks.metafile, loader: loader.metafile };
}

if (process.argv[1] === import.meta.filename) await buildAll();
