/**
 * Makes the published form of the npm packages.
 *
 * In the repository the `exports` of a package point to its sources, so that tests and type checks need no build. Here
 * they are built, and each package is laid out in `target/npm/NAME` as it is published: `dist`, the documents that its
 * `exports` name, and a `package.json` whose `exports` point to what was built. The tarballs lie beside these folders.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { transform } from "esbuild";
import { build } from "tsdown";

import { INTERNAL, shortened } from "./internal.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const out = join(root, "target/npm");

/** Those that are published, each after what it depends on. */
const PACKAGES = ["protocol", "client", "react"];

/** Files that a package offers although they lie elsewhere in the repository, by the name of their entry. */
const FILES = { react: { "./engine.wasm": "packages/client/src/engine/generated/engine.wasm" } };

/** Fields of a manifest that mean something in the repository alone. */
const PRIVATE_FIELDS = ["private", "scripts", "devDependencies"];

/** Whether a target of `exports` is a source that is built. */
const isSource = (target) => /^\.\/src\/.*\.tsx?$/.test(target);
/** The name of a source's output, without its extension. */
const outputName = (target) => target.replace(/^\.\/src\//, "").replace(/\.tsx?$/, "");

/** Every target of an `exports` map, with the condition under which it stands. */
function* targets(exports, condition = "default") {
  if (typeof exports === "string") {
    yield { target: exports, condition };
    return;
  }
  for (const [key, value] of Object.entries(exports)) yield* targets(value, key);
}

/** An `exports` map with its sources replaced by what is made of them. */
function published(exports, condition = "default") {
  if (typeof exports !== "string") {
    return Object.fromEntries(Object.entries(exports).map(([key, value]) => [key, published(value, key)]));
  }
  if (!isSource(exports)) return exports;
  return `./dist/${outputName(exports)}${condition === "types" ? ".d.ts" : ".js"}`;
}

/** The directive at the head of a module, if it has one. */
const directive = (text) => /^(?:\s|\/\*[\s\S]*?\*\/|\/\/.*\n)*(["']use client["'])/.exec(text)?.[1];

/** A package whose entries lost the mark of client code would break every page that renders on a server. */
function checkDirectives(name, folder, sources) {
  for (const source of sources) {
    const marked = directive(readFileSync(join(root, "packages", name, source), "utf8"));
    const built = readFileSync(join(folder, "dist", `${outputName(source)}.js`), "utf8");
    if (marked && !directive(built)) throw new Error(`"use client" is lost in ${name}/dist/${outputName(source)}.js`);
  }
}

/** The files that were built, by their paths. */
const built = (folder) => readdirSync(join(folder, "dist"), { recursive: true }).map((file) => join(folder, "dist", file));

/** Shortens the internal names in what was built. */
async function shorten(folder) {
  for (const file of built(folder).filter((file) => file.endsWith(".js"))) {
    const { code } = await transform(readFileSync(file, "utf8"), { ...shortened, format: "esm", target: "es2022", charset: "utf8" });
    writeFileSync(file, code);
  }
}

/** Where the types stand that applications see, by package. */
const PUBLIC_TYPES = {
  protocol: /\.d\.ts$/,
  client: /\/(client|config|errors|handlers|state|engine\/types|replica\/types)\.d\.ts$/,
  react: /\/(conversation|provider|select|view|websocket)\.d\.ts$/,
};

/** A name that applications use must not become another one. */
function checkInternal(name, folder) {
  const member = new RegExp(`^\\s*(?:readonly )?(${INTERNAL.join("|")})\\??[:(<]`, "m");
  for (const file of built(folder).filter((file) => PUBLIC_TYPES[name].test(file))) {
    // What the replica is told and given stands beside what applications get of it.
    const types = readFileSync(file, "utf8").replace(/(interface ReplicaSource|type Fact) .*?\n\}(?= *;|\n)/gs, "");
    const [, used] = member.exec(types) ?? [];
    if (used) throw new Error(`${used} is no internal name: it stands in ${file}`);
  }
}

async function layOut(name) {
  const source = join(root, "packages", name);
  const folder = join(out, name);
  const manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
  const all = [...targets(manifest.exports)].map(({ target }) => target);
  const sources = [...new Set(all.filter(isSource))];

  await build({
    cwd: source,
    config: false,
    entry: Object.fromEntries(sources.map((target) => [outputName(target), target])),
    outDir: join(folder, "dist"),
    format: "esm",
    platform: "neutral",
    target: "es2022",
    // A module for each source: directives and dynamic imports stay where they are, and bundlers drop what is not used.
    unbundle: true,
    dts: true,
    fixedExtension: false,
    report: false,
    failOnWarn: true,
    checks: { pluginTimings: false },
    // The bundler's own warnings (a missing export, an import that nobody can resolve) are errors too.
    inputOptions: (options) => ({
      ...options,
      onLog: (level, log) => {
        if (level === "warn") throw new Error(log.message);
      },
    }),
    logLevel: "warn",
  });
  await shorten(folder);
  checkDirectives(name, folder, sources);
  checkInternal(name, folder);

  const documents = all.filter((target) => !isSource(target)).map((target) => target.replace(/\/\*$/, ""));
  for (const document of new Set(documents)) cpSync(join(source, document), join(folder, document), { recursive: true });
  if (existsSync(join(source, "README.md"))) cpSync(join(source, "README.md"), join(folder, "README.md"));
  for (const file of ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"]) cpSync(join(root, file), join(folder, file));

  for (const [entry, file] of Object.entries(FILES[name] ?? {})) {
    cpSync(join(root, file), join(folder, "dist", entry));
    manifest.exports[entry] = `./dist/${entry.slice(2)}`;
  }

  for (const field of PRIVATE_FIELDS) delete manifest[field];
  manifest.exports = { ...published(manifest.exports), "./package.json": "./package.json" };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest, null, 2) + "\n");
  return folder;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const name of PACKAGES) {
  const folder = await layOut(name);
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", out], { cwd: folder, encoding: "utf8" });
  const [{ filename }] = JSON.parse(packed);
  renameSync(join(out, filename), join(out, `${name}.tgz`));
  console.log(`target/npm/${name}.tgz`);
}
