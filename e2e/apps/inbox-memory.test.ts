/**
 * The memory of an inbox that is open all day. By default for as long as one has patience; what a release promises, ten
 * minutes, is measured by
 *
 *     COSSISTANT_HEAP_MINUTES=10 cargo xtask e2e inbox-memory
 */

import type { CDPSession } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { InboxWorld } from "./inbox-world.js";

/** For how long the heap is to stay as it is. */
const MINUTES = Number(process.env["COSSISTANT_HEAP_MINUTES"] ?? 40 / 60);
/** Before the first figure, in ms: until most of the code is compiled, and all conversations hold as much as they keep. */
const WARM_UP = MINUTES >= 5 ? 120_000 : 40_000;
/** How often it is weighed, and how much it may differ from the first time. */
const WEIGHED = MINUTES >= 5 ? 10 : 4;
const TOLERANCE = 0.1;
/**
 * What in the heap is not the program's data: the browser compiles more of the code the longer it runs, and its tools
 * remember every request for whoever looks at them.
 */
const NOT_DATA = ["code", "native", "synthetic"];
/**
 * A round in ms: 5 messages and 20 steps of drafts. That is tenfold of a busy team, which has a message and four steps of
 * drafts each second. Every other round begins with another conversation opened.
 */
const ROUND = 500;
const VISITORS = 5;

vi.setConfig({ testTimeout: (MINUTES + 10) * 60_000 });

let world: InboxWorld;
beforeAll(async () => {
  world = await InboxWorld.start();
});
afterAll(() => world.stop());

/** What the page holds once all that nobody holds is gone. */
interface Weight {
  /** Of objects, strings, functions and the like, in bytes. */
  data: number;
  nodes: number;
  listeners: number;
  /** Of the whole heap of JavaScript, in bytes. */
  used: number;
}

/** All that is in the heap, in the browser's own form. */
async function snapshot(session: CDPSession): Promise<string> {
  const parts: string[] = [];
  const take = ({ chunk }: { chunk: string }) => void parts.push(chunk);
  session.on("HeapProfiler.addHeapSnapshotChunk", take);
  await session.send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  session.off("HeapProfiler.addHeapSnapshotChunk", take);
  return parts.join("");
}

/** How much of it is the program's data, in bytes. */
function dataOf(text: string): number {
  const { snapshot: about, nodes } = JSON.parse(text) as Snapshot;
  const { node_fields: fields, node_types: types } = about.meta;
  const [type, size] = [fields.indexOf("type"), fields.indexOf("self_size")];
  const data = (types[type] as string[]).map((name) => !NOT_DATA.includes(name));
  let sum = 0;
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (data[nodes[at + type] ?? 0]) sum += nodes[at + size] ?? 0;
  }
  return sum;
}

/** As much of the form as is read: each node is as many numbers as there are fields. */
interface Snapshot {
  snapshot: { meta: { node_fields: string[]; node_types: unknown[] } };
  nodes: number[];
}

test(`the heap stays as it is over ${MINUTES.toFixed(1)} minutes of tenfold traffic`, async () => {
  const desk = await world.desk({ person: "ada" });
  const visitors = await Promise.all(Array.from({ length: VISITORS }, (_, index) => world.visitor(`heap-${index}`)));
  for (const [index, visitor] of visitors.entries()) await visitor.say(`h-${index}`, "hello");
  const session = await desk.page.context().newCDPSession(desk.page);
  const weigh = async (): Promise<Weight> => {
    // With no conversation open: one with more messages takes more, which is no leak.
    await desk.page.keyboard.press("u");
    await desk.page.getByText("Choose a conversation").waitFor();
    await session.send("HeapProfiler.collectGarbage");
    await session.send("HeapProfiler.collectGarbage");
    const { nodes, jsEventListeners: listeners } = await session.send("Memory.getDOMCounters");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    return { data: dataOf(await snapshot(session)), nodes, listeners, used: usedSize };
  };
  let rounds = 0;
  const round = async (): Promise<void> => {
    const n = (rounds += 1);
    await Promise.all(
      visitors.map(async (visitor, index) => {
        for (let letter = 1; letter <= 4; letter += 1) visitor.type(`h-${index}`, `round ${n} ${"x".repeat(letter)}`);
        await visitor.say(`h-${index}`, `round ${n}`);
        // What a visitor hears of its own is of no use here, and would grow in this process.
        visitor.received.length = 0;
      }),
    );
    if (n % 2 === 0) await desk.open(`h-${(n / 2) % VISITORS}`);
    await desk.message(`round ${n}`).waitFor();
  };
  /** Rounds at their rate, or as fast as this machine can, until then. */
  const traffic = async (end: number): Promise<void> => {
    await desk.open("h-0");
    for (let next = Date.now(); Date.now() < end; next += ROUND) {
      await round();
      await desk.page.waitForFunction((due) => Date.now() >= due, next + ROUND);
    }
  };

  await traffic(Date.now() + WARM_UP);
  const first = await weigh();
  const weights = [first];
  const [from, before] = [Date.now(), rounds];
  for (let n = 1; n <= WEIGHED; n += 1) {
    await traffic(from + (n * MINUTES * 60_000) / WEIGHED);
    weights.push(await weigh());
  }
  const seconds = (Date.now() - from) / 1_000;
  const perSecond = (count: number): string => (((rounds - before) * count) / seconds).toFixed(1);
  const told = (of: (weight: Weight) => number): string => weights.map((weight) => (of(weight) / 1e6).toFixed(2)).join(", ");
  process.stdout.write(
    `heap over ${(seconds / 60).toFixed(1)} minutes of ${perSecond(VISITORS)} messages and ${perSecond(4 * VISITORS)} steps of drafts a second: ` +
      `${told(({ data }) => data)} MB; with the code that is compiled meanwhile ${told(({ used }) => used)} MB; ` +
      `${weights.map(({ nodes, listeners }) => `${nodes}+${listeners}`).join(", ")} nodes and listeners\n`,
  );
  for (const name of ["data", "nodes", "listeners"] as const) {
    for (const weight of weights) expect(Math.abs(weight[name] / first[name] - 1), name).toBeLessThan(TOLERANCE);
  }
  expect(desk.problems).toEqual([]);
});
