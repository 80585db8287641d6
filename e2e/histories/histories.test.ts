/**
 * Random histories, by seed: `COSSISTANT_HISTORIES` of them, or as many as begin within `COSSISTANT_HISTORY_SECONDS`,
 * from the seed `COSSISTANT_SEED` on.
 */

import { afterAll, beforeAll, expect, test } from "vitest";

import { World } from "../harness/world.js";
import { play } from "./history.js";
import { judge } from "./judge.js";

const first = Number(process.env["COSSISTANT_SEED"] ?? 1);
const wanted = Number(process.env["COSSISTANT_HISTORIES"] ?? Number.POSITIVE_INFINITY);
const seconds = Number(process.env["COSSISTANT_HISTORY_SECONDS"] ?? Number.POSITIVE_INFINITY);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

test("every message is stored once and acknowledged, or shown as failed, in order, and both sides see the same", async () => {
  const end = Date.now() + seconds * 1_000;
  let played = 0;
  let messages = 0;
  for (let seed = first; played < wanted && Date.now() < end; seed += 1) {
    messages += await history(seed);
    played += 1;
  }
  console.log(`${played} histories from seed ${first} on, ${messages} messages`);
  expect(played).toBeGreaterThan(0);
});

async function history(seed: number): Promise<number> {
  const trace: string[] = [];
  try {
    const count = await judge(world, await play(world, seed, trace));
    await world.clear();
    return count;
  } catch (error) {
    throw new Error(`seed ${seed}; play it again with: cargo xtask e2e --histories 1 --seed ${seed}\n${trace.join("\n")}`, {
      cause: error,
    });
  }
}
