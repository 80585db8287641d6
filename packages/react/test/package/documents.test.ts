// @vitest-environment node
/** Examples and the README, as an application's compiler sees them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { faultsIn, LOOSE, STRICT } from "../harness/compiler.js";
import { readmeModules } from "../harness/readme.js";

const example = (name: string) => ({
  [`test/examples/${name}`]: readFileSync(join(import.meta.dirname, "../examples", name), "utf8"),
});
const without = <Value>(value: Value, faults: Record<string, Value>) =>
  Object.fromEntries(Object.keys(faults).map((name) => [name, value]));

test("a strict compiler accepts all that has types, and refuses what has none", () => {
  const modules = { ...example("strict.tsx"), ...readmeModules() };
  const { "test/examples/loose.tsx": untyped = [], ...faults } = faultsIn({ ...modules, ...example("loose.tsx") }, STRICT);
  expect(Object.keys(modules).length).toBeGreaterThan(5);
  expect(faults).toEqual(without([], faults));
  expect(untyped.join()).toContain("implicitly has an 'any' type");
}, 180_000);

test("a compiler that asks for no types accepts everything", () => {
  const faults = faultsIn({ ...example("strict.tsx"), ...example("loose.tsx") }, LOOSE);
  expect(faults).toEqual(without([], faults));
}, 180_000);
