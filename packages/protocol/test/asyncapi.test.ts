/** The AsyncAPI document is one. */

import { Parser } from "@asyncapi/parser";
import { expect, it } from "vitest";

import { readJson } from "./fixtures.js";

it("is valid AsyncAPI 3", async () => {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(readJson("asyncapi.json")));
  const errors = diagnostics.filter(({ severity }) => severity === 0);
  expect(errors).toEqual([]);
  expect(document?.version()).toBe("3.0.0");
  expect(document?.channels().all()).toHaveLength(1);
  expect(document?.operations().all()).toHaveLength(2);
});
