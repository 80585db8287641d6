// @vitest-environment node
/** What an application's bundler makes of the package. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { build, type Metafile } from "esbuild";
import { describe, expect, test } from "vitest";

const FOLDER = join(import.meta.dirname, "../..");

/** The most that the hooks may add to the client, in bytes of gzip. */
const BUDGET = 2_500;

/** Bundles a module for production; what it loads later is apart. */
async function bundle(contents: string): Promise<{ code: Buffer; sources: string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: FOLDER },
    absWorkingDir: FOLDER,
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    external: ["react", "react/jsx-runtime", "zod"],
    outdir: "out",
    metafile: true,
    write: false,
  });
  const first = Object.keys(metafile.outputs).find((path) => metafile.outputs[path]?.entryPoint === "<stdin>") ?? "";
  const atOnce = closure(metafile, first);
  const code = outputFiles.filter(({ path }) => atOnce.has(path.slice(FOLDER.length + 1))).map((file) => file.contents);
  return { code: Buffer.concat(code), sources: Object.keys(metafile.outputs).flatMap((path) => inputs(metafile, path)) };
}

const inputs = (metafile: Metafile, path: string) =>
  Object.keys(metafile.outputs[path]?.inputs ?? {}).filter((source) => source !== "<stdin>");

/** An output with all that it imports at once. */
function closure(metafile: Metafile, path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const next of metafile.outputs[path]?.imports ?? []) {
    if (next.kind === "import-statement" && !next.external) closure(metafile, next.path, seen);
  }
  return seen;
}

const gzip = (code: Buffer) => gzipSync(code, { level: 9 }).length;

describe("the package", () => {
  test(`adds less than ${BUDGET} bytes to the client`, async () => {
    const names = "PingError, RequestError, SendError, TokenDeniedError, WebSocketState, createClient, DISCONNECTED, NO_STATS";
    const client = `export { ${names}, RELEASE_LINGER } from "@cossistant/client";`;
    const core = "WebSocketProvider, useWebSocket, useAdvancedWebSocket, useWebSocketDirect";
    const [without, some, all] = await Promise.all([
      bundle(client),
      bundle(`${client} export { ${core} } from "./src/websocket.js";`),
      bundle(`${client} export * from "./src/websocket.js";`),
    ]);
    const added = ({ code }: { code: Buffer }) => gzip(code) - gzip(without.code);
    console.info(`hooks: ${added(all)} bytes of gzip beyond the client, ${added(some)} of them provider and useWebSocket`);
    expect(added(all)).toBeLessThanOrEqual(BUDGET);
  }, 60_000);

  test("has no devtools in production unless they are asked for, and Zod in its own entry alone", async () => {
    const { sources } = await bundle('export * from "./src/websocket.js"; export { configureEngine } from "./src/slim.js";');
    expect(sources.filter((path) => /devtools|schemas/.test(path))).toEqual(["src/devtools/lazy.tsx"]);
    const asked = await bundle('export * from "./src/devtools/index.js";');
    expect(asked.sources).toContain("src/devtools/panel.tsx");
    const schemas = await bundle('export * from "./src/schemas.js";');
    expect(schemas.sources.some((path) => path.endsWith("protocol/src/schemas.ts"))).toBe(true);
    expect(schemas.sources.filter((path) => !path.includes("protocol/src/"))).toEqual([]);
  }, 60_000);

  test("marks every module that uses React as client code, and those for servers not", () => {
    const files = readdirSync(join(FOLDER, "src"), { recursive: true, encoding: "utf8" }).filter((path) => /\.tsx?$/.test(path));
    const marked = files.filter((path) => readFileSync(join(FOLDER, "src", path), "utf8").startsWith('"use client";\n'));
    const uses = /^(?:import|export) (?!type)[^;]*? from "(?:react|\.\/react\.js)";$/m;
    const using = files.filter((path) => uses.test(readFileSync(join(FOLDER, "src", path), "utf8")));
    expect(using.length).toBeGreaterThan(5);
    expect(marked).toEqual(expect.arrayContaining([...using, "websocket.ts", "slim.ts"]));
    expect(marked).not.toContain("schemas.ts");
  });
});
