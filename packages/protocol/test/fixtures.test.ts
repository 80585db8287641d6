/** Every fixture is judged by all validators as Rust has judged it. */

import { describe, expect, it } from "vitest";
import { z } from "zod";

import { clientMessageSchema, serverMessageSchema, validateClientMessage, validateServerMessage } from "../src/index.js";
import { readFixtures, readJson, valueOf, type Side } from "./fixtures.js";

const document = readJson("schema/protocol.json") as z.core.JSONSchema.JSONSchema & { anyOf?: unknown };
const sides = [
  { side: "client", definition: "ClientMessage", schema: clientMessageSchema, validate: validateClientMessage },
  { side: "server", definition: "ServerMessage", schema: serverMessageSchema, validate: validateServerMessage },
] as const satisfies { side: Side; [name: string]: unknown }[];

describe.each(sides)("$side fixtures", ({ side, definition, schema, validate }) => {
  const fixtures = readFixtures(side);
  const { anyOf: _, ...definitions } = document;
  const jsonSchema = z.fromJSONSchema({ ...definitions, $ref: `#/$defs/${definition}` });

  it("are many", () => {
    expect(fixtures.length).toBeGreaterThan(400);
  });

  it.each(fixtures.map((fixture) => [fixture.name, fixture] as const))("%s", (_name, fixture) => {
    const value = valueOf(fixture);
    const parsed = schema.safeParse(value);
    expect(parsed.success, "Zod").toBe(fixture.accepted);
    const judged = validate(value);
    expect(judged.ok, "compact").toBe(fixture.accepted);
    if (!parsed.success && !judged.ok && fixture.path !== undefined) {
      expect(judged.fault.path).toBe(fixture.path);
      expect(parsed.error.issues.map(deepestPath)).toContain(fixture.path);
    }
    if (!judged.ok) expect(judged.code).toBe(fixture.path === undefined ? "unknown_type" : "invalid_message");
    if (!fixture.beyondJsonSchema) {
      expect(jsonSchema.safeParse(value).success, "JSON Schema").toBe(fixture.accepted);
    }
  });
});

/** Zod tells the faults of a union's members inside one issue. */
function deepestPath(issue: z.core.$ZodIssue): string {
  const inner = issue.code === "invalid_union" ? issue.errors.flat() : [];
  const paths = inner.map((nested) => [...issue.path, ...nested.path].join("."));
  return paths.reduce((longest, path) => (path.length > longest.length ? path : longest), issue.path.join("."));
}
