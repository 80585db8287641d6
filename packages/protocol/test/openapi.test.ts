/** The OpenAPI document is one. */

import { validate } from "@readme/openapi-parser";
import { expect, it } from "vitest";

import { readJson } from "./fixtures.js";

type Document = Exclude<Parameters<typeof validate>[0], string>;

it("is valid OpenAPI 3.1", async () => {
  // The generator writes it so; that it is true is what is tested.
  const document = readJson("openapi.json") as Document;
  expect(await validate(structuredClone(document))).toMatchObject({ valid: true, warnings: [] });
  expect(document).toMatchObject({ openapi: "3.1.0" });
});

it("notices what is no OpenAPI", async () => {
  const document = { openapi: "3.1.0", info: {}, paths: {} } as unknown as Document;
  expect(await validate(document)).toMatchObject({ valid: false });
});
