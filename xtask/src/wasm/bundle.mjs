// From the module that rustc made to what packages/client loads. Called by `cargo xtask wasm`, twice:
// node bundle.mjs optimize MODULE ENGINE
// node bundle.mjs bundle ENGINE DEFLATED FOLDER

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const [verb, input, ...paths] = process.argv.slice(2);
const bin = "node_modules/.bin";
const work = mkdtempSync(join(tmpdir(), "cossistant-wasm-"));
const inWork = (name) => join(work, name);

/** What rustc uses and every browser with WebAssembly of these years has. `--all-features` would let tail calls in. */
const features = [
  "--enable-bulk-memory",
  "--enable-bulk-memory-opt",
  "--enable-multivalue",
  "--enable-mutable-globals",
  "--enable-nontrapping-float-to-int",
  "--enable-reference-types",
  "--enable-sign-ext",
];
/** What JavaScript has no word for is put into older instructions. */
const lowering = ["--signext-lowering", "--llvm-nontrapping-fptoint-lowering", "--llvm-memory-copy-fill-lowering"];

const run = (tool, ...args) => execFileSync(process.execPath, [join(bin, tool), ...args], { stdio: ["ignore", "inherit", "inherit"] });

/** Minifies a module; the names of its exports stay. */
function minify(name, text) {
  writeFileSync(inWork(name), text);
  execFileSync(join(bin, "esbuild"), [inWork(name), "--minify", "--format=esm", "--target=es2020", `--outfile=${inWork(`min-${name}`)}`, "--log-level=warning"], { stdio: "inherit" });
  return readFileSync(inWork(`min-${name}`), "utf8");
}

/** What `packages/client/src/engine/abi.ts` uses. The linker gives away more. */
const exports = ["memory", "record", "create", "handle", "poll", "held"];

/** The module without its other exports. */
function trim() {
  const roots = exports.map((name) => ({ name, export: name, root: true }));
  writeFileSync(inWork("graph.json"), JSON.stringify(roots));
  execFileSync(process.execPath, [join(bin, "wasm-metadce"), input, ...features, "--graph-file", inWork("graph.json"), "-o", inWork("trimmed.wasm")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return inWork("trimmed.wasm");
}

/** `--low-memory-unused`: what lies below 1,024 is the far end of the stack, to which no pointer leads. */
function optimize(engine) {
  run(
    "wasm-opt", trim(), "-o", engine, ...features, "--low-memory-unused", "--flatten", "--rereloop", "-Oz", "-Oz", "--converge",
    "--strip-debug", "--strip-producers", "--strip-target-features",
  );
}

/** The module in a string: compressed, because the text of a compressed module is smaller even after gzip. */
function makeInline(deflated) {
  const text = deflated.toString("base64");
  return minify("inline.js", `
    const text = ${JSON.stringify(text)};
    const decode = () => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    export const bytes = () => new Response(new Response(decode()).body.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  `);
}

/** The module as plain JavaScript, of which any number of instances can be made. */
function makeFallback() {
  run("wasm-opt", input, "-o", inWork("lowered.wasm"), ...features, ...lowering, "-Oz");
  run("wasm2js", inWork("lowered.wasm"), "-o", inWork("plain.js"), "--enable-mutable-globals", "-Oz");
  const text = readFileSync(inWork("plain.js"), "utf8");
  const start = text.lastIndexOf("var retasmFunc = asmFunc(");
  if (start < 0) throw new Error("wasm2js writes its modules in another form than it used to");
  return minify("fallback.js", `${text.slice(0, start)}export const instantiate = () => asmFunc({});`);
}

const sizes = [];
/** Puts a file in its place in one step, so that nobody reads half of it. */
function put(folder, name, content, isMeasured) {
  writeFileSync(join(folder, `${name}.new`), content);
  renameSync(join(folder, `${name}.new`), join(folder, name));
  if (isMeasured) {
    const bytes = Buffer.from(content);
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
    sizes.push([name, bytes.length, gzipSync(bytes, { level: 9 }).length, brotli.length]);
  }
}

function bundle(deflated, folder) {
  mkdirSync(folder, { recursive: true });
  put(folder, "engine.wasm", readFileSync(input), true);
  put(folder, "inline.js", makeInline(readFileSync(deflated)), true);
  put(folder, "inline.d.ts", "/** The bytes of the engine's WebAssembly. */\nexport function bytes(): Promise<ArrayBuffer>;\n");
  put(folder, "fallback.js", makeFallback(), true);
  put(
    folder,
    "fallback.d.ts",
    'import type { Exports } from "../abi.js";\n\n/** A new instance of the engine in plain JavaScript. */\nexport function instantiate(): Exports;\n',
  );
  put(folder, "sizes.json", `${JSON.stringify(Object.fromEntries(sizes.map(([name, raw, gzip, brotli]) => [name, { raw, gzip, brotli }])), null, 2)}\n`);
  console.log("file          raw    gzip  brotli");
  for (const [name, ...numbers] of sizes) console.log(name.padEnd(11) + numbers.map((number) => String(number).padStart(7)).join(" "));
}

try {
  if (verb === "optimize") optimize(...paths);
  else bundle(...paths);
} finally {
  rmSync(work, { recursive: true });
}
