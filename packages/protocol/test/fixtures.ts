/** Reads the wire fixtures. */

import { readFileSync } from "node:fs";

export interface Fixture {
  name: string;
  accepted: boolean;
  /** Where it is wrong, when it is a message of a known type. */
  path?: string;
  /** The message as JSON text, with `…` for what is too long to be written out. */
  text: string;
  fill?: { text: string; times: number };
  /** JSON Schema, or its reader, cannot judge it. */
  beyondJsonSchema?: boolean;
}

export type Side = "client" | "server";

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));
}

export function readFixtures(side: Side): Fixture[] {
  // The generator writes them so.
  return readJson(`fixtures/${side}.json`) as Fixture[];
}

export function valueOf({ text, fill }: Fixture): unknown {
  return JSON.parse(fill ? text.replaceAll("…", fill.text.repeat(fill.times)) : text);
}
