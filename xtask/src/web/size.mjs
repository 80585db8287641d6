/**
 * Measures what a page downloads, by entry: ours, and those of other packages, all by the same means.
 *
 *     npm run size                 our entries
 *     npm run size -- --check      fails when the entry of the hooks is over its budget
 *     npm run size -- --peers      the others too; installs them first
 *     npm run size -- --write      all of it, into docs/sizes.md
 *
 * An entry is bundled whole, minified, with React left out. What loads at once comes in two files, each compressed as
 * servers do: the code (the entry with what it imports), and the engine, which the code fetches before it can connect.
 * What loads only when it is asked for is measured apart, and with the rest for pages of the usual kinds.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build } from "esbuild";

import { shortened } from "./internal.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const peersFolder = join(root, "benchmarks/sizes");

/** The entry that has a budget, in bytes of gzip. */
const BUDGETED = "@cossistant/react/websocket";
const LIMIT = 25_000;

/** What a page that shows something loads beside what loads at once: these chunks, and what they import. */
const pages = [
  { shows: "a conversation", chunks: ["replica/replica.ts", "client/src/http.ts"] },
  { shows: "an inbox", chunks: ["replica/replica.ts", "replica/inbox.ts", "client/src/http.ts"] },
];

/** A chunk made of a module whose path matches is fetched at once, although by a dynamic import. */
const ENGINE = /engine.*inline/;

const ours = [
  { name: BUDGETED },
  { name: "@cossistant/react/websocket/slim", file: "packages/client/src/engine/generated/engine.wasm" },
  { name: "@cossistant/react/websocket/schemas" },
  { name: "@cossistant/client" },
  { name: "@cossistant/protocol/validate" },
];

const peers = [
  { name: "partysocket", modules: ["partysocket", "partysocket/react"] },
  { name: "react-use-websocket" },
  { name: "socket.io-client" },
  { name: "centrifuge" },
  { name: "ably", modules: ["ably", "ably/react"] },
];

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;
const brotli = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length;
const sum = (name, parts) => ({
  name,
  raw: parts.reduce((total, part) => total + part.raw, 0),
  gzip: parts.reduce((total, part) => total + part.gzip, 0),
  brotli: parts.reduce((total, part) => total + part.brotli, 0),
});
const measured = (name, bytes) => ({ name, raw: bytes.length, gzip: gzip(bytes), brotli: brotli(bytes) });

/** All of some modules. Of several they are namespaces, since modules of one package may export the same names. */
function reexport(modules) {
  if (modules.length === 1) return `export * from "${modules[0]}";`;
  return modules.map((module, n) => `export * as m${n} from "${module}";`).join("\n");
}

/** `file` is fetched in place of the engine's chunk. */
async function measure({ name, modules = [name], file }, folder) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: reexport(modules), resolveDir: folder },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"production"' },
    external: ["react", "react-dom", "react/jsx-runtime"],
    legalComments: "none",
    outdir: "out",
    metafile: true,
    write: false,
    logLevel: "error",
    // Ours are published with short names, which their sources do not have yet.
    ...(folder === peersFolder ? {} : shortened),
  });
  const contents = new Map(outputFiles.map((file) => [relative(root, file.path), file.contents]));
  const outputs = metafile.outputs;

  /** A chunk behind all that it imports at once, in the order in which bundlers put what they join. */
  const closure = (path, found = new Set(), seen = new Set()) => {
    if (seen.has(path)) return found;
    seen.add(path);
    for (const { path: next, kind, external } of outputs[path].imports) {
      if (kind === "import-statement" && !external) closure(next, found, seen);
    }
    return found.add(path);
  };
  const joined = (paths) => Buffer.concat([...paths].map((path) => contents.get(path)));

  const dynamic = Object.keys(outputs).filter((path) => outputs[path].entryPoint && outputs[path].entryPoint !== "<stdin>");
  const engine = dynamic.filter((path) => ENGINE.test(outputs[path].entryPoint));
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint === "<stdin>");
  const code = closure(entry);
  const initial = new Set([...code, ...(file ? [] : engine.flatMap((path) => [...closure(path)]))]);
  const without = (paths, taken) => [...paths].filter((path) => !taken.has(path));
  const fetched = file ? readFileSync(join(root, file)) : new Uint8Array();
  const codeFile = measured("code", joined(code));
  const engineFile = measured("engine", file ? fetched : joined(without(initial, code)));
  const hasEngine = engineFile.raw > 0;
  const whole = sum(name, hasEngine ? [codeFile, engineFile] : [codeFile]);
  /** The entry, and the file of what these chunks bring that no other has brought. */
  const withChunks = (wanted) => {
    const paths = wanted.map((end) => dynamic.find((path) => outputs[path].entryPoint.endsWith(end)));
    if (paths.includes(undefined)) return undefined;
    const found = new Set();
    for (const path of paths) closure(path, found);
    return sum(name, [whole, measured("more", joined(without(found, initial)))]);
  };
  return {
    ...whole,
    code: codeFile,
    engine: engineFile,
    pages: pages.map(({ shows, chunks }) => ({ shows, figures: withChunks(chunks) })),
    lazy: dynamic
      .filter((path) => !initial.has(path))
      .map((path) => measured(outputs[path].entryPoint, joined(without(closure(path), initial))))
      .sort((a, b) => b.gzip - a.gzip),
  };
}

const kilobytes = (bytes) => (bytes / 1000).toFixed(1);
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) =>
  [row(head), row(head.map((_, n) => (n === 0 ? "---" : "---:"))), ...rows.map(row)].join("\n");
const figures = ({ raw, gzip, brotli }) => [raw, gzip, brotli].map(kilobytes);

function version(name) {
  return JSON.parse(readFileSync(join(peersFolder, "node_modules", name, "package.json"), "utf8")).version;
}

function report(own, others) {
  const head = ["", "minified", "gzip", "brotli"];
  const sections = [table(["entry, with what it loads at once", ...head.slice(1)], own.map((it) => [`\`${it.name}\``, ...figures(it)]))];
  const [first] = own;
  sections.push(
    table(
      [`parts of \`${first.name}\``, ...head.slice(1)],
      [
        ["code", ...figures(first.code)],
        ["engine (WebAssembly in a module)", ...figures(first.engine)],
        ...first.pages.map((it) => [`all of it, for a page that shows ${it.shows}`, ...figures(it.figures)]),
        ...first.lazy.map((it) => [`only when asked for: \`${it.name}\``, ...figures(it)]),
      ],
    ),
  );
  if (others.length > 0) {
    sections.push(
      table(
        ["package", ...head.slice(1)],
        [first, ...others]
          .sort((a, b) => a.gzip - b.gzip)
          .map((it) => [it === first ? `**\`${it.name}\`**` : `\`${it.name}\` ${version(it.name)}`, ...figures(it)]),
      ),
    );
  }
  return sections.join("\n\n") + "\n";
}

const PAGE_HEAD = `<!-- Generated by \`npm run size -- --write\`. Do not edit. -->

# Sizes

What a page downloads, in KB (1,000 bytes).
Each entry is bundled whole by esbuild and minified, React is left out, and what loads at once is two files, the code and the engine, each compressed by itself.

`;

/** How far a figure may be from the one that is published: compilers differ a little between machines. */
const TOLERANCE = 0.03;

/** The page says what is true, or nearly so. */
function checkPage(first) {
  const page = join(root, "docs/sizes.md");
  const said = new RegExp(`\\| \`${first.name}\` \\| [\\d.]+ \\| ([\\d.]+) \\|`).exec(readFileSync(page, "utf8"))?.[1];
  const difference = Math.abs(Number(said) * 1000 - first.gzip) / first.gzip;
  if (!(difference <= TOLERANCE)) throw new Error(`docs/sizes.md says ${said} KB; run \`npm run size -- --write\``);
}

/** The budget is what this project promises to pages. */
function checkBudget({ name, gzip }) {
  if (gzip > LIMIT) throw new Error(`${name} takes ${gzip} bytes of gzip; ${LIMIT} is the limit`);
}

const options = new Set(process.argv.slice(2));
const own = [];
for (const subject of ours) own.push(await measure(subject, join(root, "packages/react")));
const others = [];
if (options.has("--peers") || options.has("--write")) {
  if (!existsSync(join(peersFolder, "node_modules"))) {
    execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--silent"], { cwd: peersFolder, stdio: "inherit" });
  }
  for (const subject of peers) others.push(await measure(subject, peersFolder));
}
const text = report(own, others);
console.log(text);
if (options.has("--write")) writeFileSync(join(root, "docs/sizes.md"), PAGE_HEAD + text);
checkBudget(own[0]);
if (options.has("--check")) checkPage(own[0]);
