/**
 * What a page downloads for the widget, in the order in which it comes, each file compressed by itself as servers do.
 *
 *     npm run size -w apps/widget            builds, and prints the figures
 *     npm run size -w apps/widget -- --check fails when one is over its budget
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { buildAll, dist } from "./build.mjs";

/** In bytes of gzip. */
const BUDGETS = { closed: 40_000, returning: 40_000, all: 80_000 };

const { chunks } = await buildAll();
const outputs = chunks.outputs;
const gzip = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

/** A chunk with all that it imports at once. */
function closure(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const { path: next, kind } of outputs[path].imports) if (kind === "import-statement") closure(next, found);
  return found;
}

/** The chunks made of a module whose path ends so. */
function chunk(ending) {
  const path = Object.keys(outputs).find((name) => outputs[name].entryPoint?.endsWith(ending));
  if (!path) throw new Error(`no chunk is made of ${ending}`);
  return closure(path);
}

const union = (...sets) => new Set(sets.flatMap((set) => [...set]));
const weigh = (paths) => [...paths].reduce((sum, path) => sum + gzip(join(import.meta.dirname, path)), gzip(join(dist, "widget.js")));

const closed = chunk("src/start.ts");
// Everything that a connection ever loads for a visitor; the inbox is for the team.
const link = ["src/session.ts", "client/src/extras.ts", "client/src/queue.ts", "client/src/tabs.ts", "client/src/http.ts"].map(chunk);
const returning = union(closed, ...link, chunk("generated/inline.js"));
const panel = union(chunk("src/panel.tsx"), chunk("texts/de.ts"));
const strict = union(closed, ...link, chunk("generated/fallback.js"), panel);

const figures = {
  "the button, for a visitor who has no conversation": [weigh(closed), BUDGETS.closed],
  "connected for the badge, for one who has": [weigh(returning), BUDGETS.returning],
  "all, with the panel open": [weigh(union(returning, panel)), BUDGETS.all],
  "all, on a page that forbids WebAssembly": [weigh(strict), BUDGETS.all],
};
let isOver = false;
for (const [name, [bytes, budget]] of Object.entries(figures)) {
  console.log(`${(bytes / 1000).toFixed(1).padStart(6)} KB of ${budget / 1000} KB gzip: ${name}`);
  isOver ||= bytes > budget;
}
if (isOver && process.argv.includes("--check")) {
  console.error("the script tag is over its budget");
  process.exit(1);
}
