/**
 * What the inbox costs: rows in the DOM and script while one scrolls, the first paint, shifts of the layout, a long
 * conversation. The figures are printed. What a release promises is measured by
 *
 *     COSSISTANT_CONVERSATIONS=10000 cargo xtask e2e inbox-speed
 *
 * and without that by a short form.
 */

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { until } from "../harness/wait.js";
import { costOf, scrollCost } from "./cost.js";
import { type Desk, InboxWorld } from "./inbox-world.js";

const CONVERSATIONS = Number(process.env["COSSISTANT_CONVERSATIONS"] ?? 400);
/** How many messages the long conversation has, and one of which a stretch is in the document, too, but not a small one. */
const MESSAGES = 2_000;
const FEWER_MESSAGES = 400;
/** How many requests are under way at once while conversations and messages are made. */
const WIDTH = 16;

vi.setConfig({ testTimeout: 20 * 60_000, hookTimeout: 20 * 60_000 });

let world: InboxWorld;

beforeAll(async () => {
  world = await InboxWorld.start();
  const { websiteId } = world.server.ready;
  const token = await world.server.token("user", "grace");
  const left = Array.from({ length: CONVERSATIONS }, (_, index) => index);
  const make = async (): Promise<void> => {
    for (let index = left.pop(); index !== undefined; index = left.pop()) {
      await world.server.api("POST", "/v1/conversations", { websiteId, visitorId: `visitor-${index}`, conversationId: `c-${index}` }, token);
      // One in which nothing was said has no row.
      await world.server.api("POST", `/v1/conversations/c-${index}/messages`, { id: "m", content: { text: `Message ${index}` } }, token);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, make));
});
afterAll(() => world.stop());

/** A figure, for whoever runs this. */
function print(what: string, figure: string): void {
  process.stdout.write(`${what}: ${figure}\n`);
}

const rows = (desk: Desk) => desk.page.locator("[data-conversation]");

/** Loads all conversations by scrolling to the end again and again. */
async function loadAll(desk: Desk): Promise<void> {
  await rows(desk).first().waitFor();
  await until(
    "all conversations are loaded",
    async () => {
      const height = await desk.page.getByTestId("list").evaluate((list) => {
        list.scrollTop = list.scrollHeight;
        return list.querySelector<HTMLElement>(".rows")?.offsetHeight ?? 0;
      });
      return height >= CONVERSATIONS * 64;
    },
    { patience: 10 * 60_000 },
  );
}

/** Loads all messages of the open conversation, so many, by scrolling up again and again, and goes to its end. */
async function loadThread(desk: Desk, count: number): Promise<void> {
  const scroller = desk.page.getByTestId("timeline");
  await until(
    "all messages are loaded",
    () =>
      scroller.evaluate((box) => {
        box.scrollTop = 0;
        return /message 1(?!\d)/.test(box.querySelector("article")?.textContent ?? "");
      }),
    { patience: 5 * 60_000 },
  );
  await desk.page.getByRole("button", { name: /new messages|newest/ }).click();
  await desk.message(`message ${count}`).waitFor();
}

test(`${CONVERSATIONS} conversations: few rows, and little script while one scrolls`, async () => {
  const desk = await world.desk({ person: "ada" });
  await loadAll(desk);
  await desk.page.getByTestId("list").evaluate((list) => (list.scrollTop = 0));
  const { frames, median, most95, elements } = await scrollCost(desk.page, { x: 150, y: 500, by: [-25_000, 25_000], count: "li" });
  print(`rows in the DOM at the most, of ${CONVERSATIONS}`, `${elements}`);
  print(`script per scroll frame over ${frames} frames`, `median ${median.toFixed(1)} ms, 95 % ${most95.toFixed(1)} ms`);
  expect(frames).toBeGreaterThan(50);
  expect(elements).toBeLessThanOrEqual(80);
  expect(median).toBeLessThanOrEqual(8);
  await desk.page.context().close();
});

test("the first paint, and the inbox itself, are there at once, from the program", async () => {
  const desk = await world.desk({ person: "grace", origin: world.server.ready.url });
  await rows(desk).first().waitFor();
  const paints: number[] = [];
  const lists: number[] = [];
  const empty: number[] = [];
  const painted = () => desk.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  for (let round = 0; round < 5; round += 1) {
    // A page of one word of the same program: what no page can go below on this machine, at this moment.
    await desk.page.goto(`${world.server.ready.url}/healthz`);
    empty.push(await until("the word is painted", painted));
    await desk.page.goto(`${world.server.ready.url}/inbox`);
    await rows(desk).first().waitFor();
    lists.push(await desk.page.evaluate(() => performance.now()));
    paints.push((await painted()) ?? 0);
  }
  const median = (times: number[]): number => times.sort((a, b) => a - b)[2] ?? 0;
  print("first contentful paint, median of 5", `${median(paints).toFixed(0)} ms; of a page of one word ${median(empty).toFixed(0)} ms`);
  print("conversations on the screen, median of 5", `${median(lists).toFixed(0)} ms`);
  expect(median(paints)).toBeGreaterThan(0);
  // A second, unless the machine takes long for anything.
  expect(median(paints)).toBeLessThan(Math.max(1_000, 10 * median(empty)));
  await desk.page.context().close();
});

test("another conversation is there at once, and nothing shifts", async () => {
  const [one, two] = [await world.visitor("one"), await world.visitor("two")];
  for (let n = 1; n <= 40; n += 1) await Promise.all([one.say("s-one", `one ${n}`), two.say("s-two", `two ${n}`)]);
  const desk = await world.desk({ person: "ada" });
  await desk.open("s-one");
  await desk.message("one 40").waitFor();
  await desk.open("s-two");
  await desk.message("two 40").waitFor();
  const [times, frames] = await desk.page.evaluate(async () => {
    const times: number[] = [];
    const frames: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const id = round % 2 ? "s-two" : "s-one";
      const text = round % 2 ? "two 40" : "one 40";
      const from = performance.now();
      let waited = 0;
      document.querySelector<HTMLElement>(`[data-conversation="${id}"]`)?.click();
      while (!document.querySelector(".timeline")?.textContent?.includes(text)) {
        waited += 1;
        await new Promise(requestAnimationFrame);
      }
      times.push(performance.now() - from);
      frames.push(waited);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return [times.sort((a, b) => a - b), frames.sort((a, b) => a - b)] as const;
  });
  const [median, slowest] = [times[10]?.toFixed(0), times.at(-1)?.toFixed(0)];
  print("opening a conversation that was open before, of 20", `median ${median} ms, slowest ${slowest} ms; frames ${frames[10]}, ${frames.at(-1)}`);
  // It needs no answer of the server, so it is there with the next frame, or the one behind it.
  expect(frames[10]).toBeLessThanOrEqual(2);

  const shift = desk.page.evaluate(async () => {
    let sum = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) sum += (entry as PerformanceEntry & { value: number }).value;
    }).observe({ type: "layout-shift" });
    while (!document.querySelector(".timeline")?.textContent?.includes("the last one")) await new Promise(requestAnimationFrame);
    return sum;
  });
  for (let n = 1; n <= 10; n += 1) {
    one.type("s-one", `preview ${n}`);
    await two.say("s-two", `more ${n}`);
  }
  await two.say("s-two", "the last one");
  print("shift of the layout while messages come", (await shift).toFixed(3));
  // The conversation at its end moves up by what comes, which is meant; nothing else may.
  expect(await shift).toBeLessThan(0.25);
  await desk.page.context().close();
});

test(`a conversation of ${MESSAGES} messages that are all loaded: scrolling and writing cost what they always do`, async () => {
  const visitor = await world.visitor("long");
  for (const [id, count] of [["long", MESSAGES], ["middling", FEWER_MESSAGES]] as const) {
    const texts = Array.from({ length: count }, (_, index) => `message ${index + 1}${" and more".repeat((index + 1) % 9)}`);
    // What is sent at once over one connection keeps its order.
    while (texts.length > 0) await Promise.all(texts.splice(0, WIDTH).map((text) => visitor.say(id, text)));
  }
  await visitor.say("short", "the only one");
  const desk = await world.desk({ person: "ada" });
  const press = (n: number) => desk.page.keyboard.press("abcdefghij"[n % 10] ?? "a");
  await desk.open("short");
  await desk.field.focus();
  const short = await costOf(desk.page, 30, press);

  await desk.open("long");
  await loadThread(desk, MESSAGES);
  await desk.field.focus();
  const long = await costOf(desk.page, 30, press);
  const preview = await costOf(desk.page, 30, async (n) => {
    visitor.type("long", `preview ${n}`);
    await desk.page.getByTestId("preview").getByText(`preview ${n}`, { exact: true }).waitFor();
  });
  const message = await costOf(desk.page, 10, async (n) => {
    await visitor.say("long", `one more ${n}`);
    await desk.message(`one more ${n}`).waitFor();
  });
  const scroll = () => scrollCost(desk.page, { x: 700, y: 400, by: [12_000, -12_000], count: "article" });
  const { frames, median, most95, perDistance, elements } = await scroll();
  const all = await desk.page.evaluate(() => document.getElementsByTagName("*").length);
  print(`elements in the document, and messages in it at the most, of ${MESSAGES}`, `${all}, ${elements}`);
  print(`script per scroll frame of it over ${frames} frames`, `median ${median.toFixed(1)} ms, 95 % ${most95.toFixed(1)} ms`);
  print("a letter in the composer, in a conversation of one message, and in this one", `${short.toFixed(1)} ms, ${long.toFixed(1)} ms`);
  print("a step of a visitor's preview, and a message that comes", `${preview.toFixed(1)} ms, ${message.toFixed(1)} ms`);
  await desk.open("middling");
  await loadThread(desk, FEWER_MESSAGES);
  const fewer = await scroll();
  print(`script for 1,000 px of ${FEWER_MESSAGES} messages, and of ${MESSAGES}`, `${fewer.perDistance.toFixed(1)} ms, ${perDistance.toFixed(1)} ms`);
  expect(frames).toBeGreaterThan(20);
  expect(elements).toBeLessThanOrEqual(150);
  // What grew with the length would be five times as much.
  expect(perDistance).toBeLessThan(fewer.perDistance * 2.5);
  expect(long).toBeLessThan(short * 1.5 + 2);
  await desk.page.context().close();
});
