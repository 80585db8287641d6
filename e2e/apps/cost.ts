/** What a page costs: script for each frame while one scrolls, and the main thread's time for anything that happens. */

import type { CDPSession, Page } from "playwright-core";

/** Times are those of the thread in µs, in which it runs: what else the machine does says nothing of the page. */
interface TraceEvent {
  name: string;
  ph: string;
  ts: number;
  tts?: number;
  tdur?: number;
  pid: number;
  tid: number;
}

/** Stretches in which the page's own script runs. */
const SCRIPT = new Set(["FunctionCall", "EvaluateScript", "RunMicrotasks", "TimerFire", "EventDispatch", "FireAnimationFrame", "v8.run"]);

/** What scrolling cost. */
export interface ScrollCost {
  readonly frames: number;
  /** Script between two frames, in ms of the processor. */
  readonly median: number;
  readonly most95: number;
  /** Script for a thousand px, in ms of the processor: a busy machine has fewer frames, in each of which more happens. */
  readonly perDistance: number;
  /** The most elements of the name that was asked for, in any frame. */
  readonly elements: number;
}

/** Scrolls at (`x`, `y`) by so many px one after another, as by a wheel that is turned as fast as one can. */
export async function scrollCost(page: Page, { x, y, by, count }: { x: number; y: number; by: number[]; count: string }): Promise<ScrollCost> {
  const browser = page.context().browser();
  if (!browser) throw new Error("the page has a browser");
  await browser.startTracing(page, { categories: ["devtools.timeline", "v8"] });
  // An empty step for each frame: it marks where one ends, and counts without asking for a layout.
  await page.evaluate((name) => {
    const elements = document.getElementsByTagName(name);
    const state = { most: 0, isOver: false };
    Object.assign(globalThis, { state });
    const step = (): void => {
      state.most = Math.max(state.most, elements.length);
      if (!state.isOver) requestAnimationFrame(step);
    };
    step();
  }, count);
  const session = await page.context().newCDPSession(page);
  for (const yDistance of by) {
    await session.send("Input.synthesizeScrollGesture", { x, y, yDistance, speed: 8_000, gestureSourceType: "mouse" });
  }
  const elements = await page.evaluate(() => {
    const { state } = globalThis as unknown as { state: { most: number; isOver: boolean } };
    state.isOver = true;
    return state.most;
  });
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const frames = scriptPerFrame(trace.traceEvents).sort((a, b) => a - b);
  const at = (share: number): number => frames[Math.floor(frames.length * share)] ?? 0;
  const distance = by.reduce((sum, px) => sum + Math.abs(px), 0) / 1_000;
  const perDistance = frames.reduce((sum, cost) => sum + cost, 0) / distance;
  return { frames: frames.length, median: at(0.5), most95: at(0.95), perDistance, elements };
}

/** How long script ran between two frames, in ms of the processor, for each frame. */
function scriptPerFrame(events: readonly TraceEvent[]): number[] {
  const marks = events.filter(({ name }) => name === "FireAnimationFrame").sort((a, b) => a.ts - b.ts);
  const [first] = marks;
  const runs = events
    .filter(({ name, ph, tid, pid, tdur }) => SCRIPT.has(name) && ph === "X" && tdur && tid === first?.tid && pid === first.pid)
    .sort((a, b) => a.ts - b.ts);
  return marks.slice(1).map((mark, index) => {
    const until = mark.tts ?? 0;
    let [sum, end] = [0, marks[index]?.tts ?? 0];
    for (const { tts = 0, tdur = 0 } of runs) {
      if (tts >= until) break;
      // What runs within another stretch is counted once.
      sum += Math.max(0, Math.min(until, tts + tdur) - Math.max(end, tts));
      end = Math.max(end, Math.min(until, tts + tdur));
    }
    return sum / 1_000;
  });
}

/** The main thread's time, in ms of the processor: script, styles, layout and whatever else it does. */
export async function threadClock(page: Page): Promise<() => Promise<number>> {
  const session: CDPSession = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1_000;
  };
}

/** The median cost of one of these acts to the main thread, in ms of the processor, with the frame that shows it. */
export async function costOf(page: Page, times: number, act: (n: number) => Promise<unknown>): Promise<number> {
  const clock = await threadClock(page);
  const costs: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const before = await clock();
    await act(n);
    await page.evaluate(() => new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))));
    costs.push((await clock()) - before);
  }
  return costs.sort((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}
