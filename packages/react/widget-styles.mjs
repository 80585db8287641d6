/**
 * Puts the widget's style sheets into a module, since a shadow root takes its styles from script.
 *
 *     npm run styles -w packages/react              writes src/widget/styles/*.ts
 *     npm run styles -w packages/react -- --check   fails when one is stale
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { transform } from "esbuild";

const folder = join(import.meta.dirname, "src/widget");

/** Each module's sheet, and the files that it is made of. */
const SHEETS = {
  launcher: ["tokens.css", "launcher.css"],
  panel: ["panel.css", "messages.css", "composer.css"],
};

for (const [name, files] of Object.entries(SHEETS)) {
  const source = files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  // No target: what is written is what all browsers of the last two years know.
  const { code } = await transform(source, { loader: "css", minify: true, legalComments: "none" });
  const text = [
    `/** Made of ${files.join(", ")} by \`npm run styles\`. Do not edit. */`,
    `export const ${name}Styles =\n  ${JSON.stringify(code.trim())};\n`,
  ].join("\n");
  const target = join(folder, "styles", `${name}.ts`);
  if (!process.argv.includes("--check")) writeFileSync(target, text);
  else if (!existsSync(target) || readFileSync(target, "utf8") !== text) {
    console.error(`src/widget/styles/${name}.ts is stale; run \`npm run styles -w packages/react\``);
    process.exitCode = 1;
  }
}
