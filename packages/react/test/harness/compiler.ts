/** The TypeScript compiler, for texts that are not part of the package. */

import { join } from "node:path";

import ts from "typescript";

/** Files that were read and parsed before: most of the work, and the same each time. */
const parsed = new Map<string, ts.SourceFile | undefined>();

const FOLDER = join(import.meta.dirname, "../..");

/** How strict an application's compiler is. */
export const STRICT: ts.CompilerOptions = { strict: true, noUncheckedIndexedAccess: true };
export const LOOSE: ts.CompilerOptions = { strict: false };

/**
 * What the compiler says of these modules, by name; of them alone, since an application's compiler sees declarations
 * of ours, and not our sources. They are taken to lie in the package's folder.
 */
export function faultsIn(modules: Record<string, string>, strictness: ts.CompilerOptions): Record<string, string[]> {
  const options: ts.CompilerOptions = {
    ...strictness,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    jsx: ts.JsxEmit.ReactJSX,
    types: ["node"],
    skipLibCheck: true,
    noEmit: true,
  };
  const texts = new Map(Object.entries(modules).map(([name, text]) => [join(FOLDER, name), text]));
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.readFile = (path) => texts.get(path) ?? readFile(path);
  host.fileExists = (path) => texts.has(path) || fileExists(path);
  host.getSourceFile = (path, ...more) => {
    const text = texts.get(path);
    if (text !== undefined) return ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
    if (!parsed.has(path)) parsed.set(path, getSourceFile(path, ...more));
    return parsed.get(path);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  return Object.fromEntries(
    Object.keys(modules).map((name) => {
      const file = program.getSourceFile(join(FOLDER, name));
      const diagnostics = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
      const faults = diagnostics.map(({ messageText, start = 0 }) => {
        const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
        return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
      });
      return [name, faults];
    }),
  );
}
