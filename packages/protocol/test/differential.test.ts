/** Messages changed at random are judged alike by all: Zod, the compact validators, and Rust. */

import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { clientMessageSchema, serverMessageSchema, validateClientMessage, validateServerMessage } from "../src/index.js";
import { readFixtures, valueOf, type Side } from "./fixtures.js";

function judge(side: Side, value: unknown): { zod: boolean; compact: boolean } {
  return side === "client"
    ? { zod: clientMessageSchema.safeParse(value).success, compact: validateClientMessage(value).ok }
    : { zod: serverMessageSchema.safeParse(value).success, compact: validateServerMessage(value).ok };
}

/** Numbers that follow from a seed (mulberry32), from 0 up to a bound. */
function randomFrom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** Every place in a value: where it stands, and under which key. */
function places(value: unknown): { holder: Record<string, unknown>; key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  // An array is an object with its indexes for keys.
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...places(holder[key])]);
}

it.each(["client", "server"] as const)("grafted %s messages are judged alike by Zod and compactly", (side) => {
  const seed = Number(process.env.COSSISTANT_SEED ?? Date.now() % 2 ** 31);
  const random = randomFrom(seed);
  const values = readFixtures(side).filter((fixture) => !fixture.fill).map(valueOf);
  const accepted = { yes: 0, no: 0 };
  for (let round = 0; round < 5_000; round++) {
    const value = structuredClone(values[random(values.length)]);
    const [targets, sources] = [places(value), places(structuredClone(values[random(values.length)]))];
    const [target, source] = [targets[random(targets.length)], sources[random(sources.length)]];
    if (!target || !source) continue;
    target.holder[random(3) ? target.key : source.key] = source.holder[source.key];
    const { zod, compact } = judge(side, value);
    expect(compact, `COSSISTANT_SEED=${seed}: Zod says ${zod} to ${JSON.stringify(value)}`).toBe(zod);
    accepted[zod ? "yes" : "no"]++;
  }
  // Both verdicts are common, or the comparison says little.
  expect(Math.min(accepted.yes, accepted.no)).toBeGreaterThan(500);
});

const file = process.env.COSSISTANT_DIFFERENTIAL;

it.runIf(file)("messages that Rust has judged are judged alike", () => {
  const lines = readFileSync(file ?? "", "utf8").trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(100);
  for (const line of lines) {
    const { side, accepted, text } = JSON.parse(line) as { side: Side; accepted: boolean; text: string };
    expect(judge(side, JSON.parse(text)), text.slice(0, 2_000)).toEqual({ zod: accepted, compact: accepted });
  }
});
