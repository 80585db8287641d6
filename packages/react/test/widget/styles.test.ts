// @vitest-environment node
/** The style sheets as they are shipped. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { expect, test } from "vitest";

import { launcherStyles } from "../../src/widget/styles/launcher.js";
import { panelStyles } from "../../src/widget/styles/panel.js";

test("are those of the files beside them", () => {
  const folder = join(import.meta.dirname, "../..");
  expect(() => execFileSync("node", ["widget-styles.mjs", "--check"], { cwd: folder, stdio: "pipe" })).not.toThrow();
});

test("load nothing", () => {
  for (const styles of [launcherStyles, panelStyles]) expect(styles).not.toMatch(/url\(|@import/);
});
