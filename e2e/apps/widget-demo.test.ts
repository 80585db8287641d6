/** The demo's page: a shop with the widget, and a switch that makes its network bad. */

import type { BrowserContextOptions } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { until } from "../harness/wait.js";
import { expectNone, Stage, Visit } from "./widget-stage.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(() => stage.clear());
afterAll(() => stage.stop());

async function demo(browser?: BrowserContextOptions): Promise<Visit> {
  const context = await stage.browser.newContext(browser);
  const visit = new Visit(await context.newPage(), context);
  await visit.page.goto(`${stage.front.url}/demo`);
  await visit.launcher.waitFor();
  return visit;
}

test("axe-core finds nothing, on a phone and on a wide screen, light and dark", async () => {
  for (const viewport of [{ width: 390, height: 844 }, { width: 1440, height: 900 }]) {
    for (const colorScheme of ["light", "dark"] as const) {
      const visit = await demo({ viewport, colorScheme });
      expectNone(await visit.violations());
      expect(await visit.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
      expectNone(visit.problems.filter((problem) => !/WebAssembly|wasm-/.test(problem)));
      await visit.context.close();
    }
  }
});

test("offline, slow, and cut now and then: what is written arrives once and in order", async () => {
  const visit = await demo();
  await visit.page.getByRole("button", { name: "Ask us" }).click();
  await visit.field.waitFor();
  await visit.connected();
  await visit.write("one");
  await visit.panel.locator("[data-delivery=sent]").waitFor();
  const id = await visit.conversationId();

  await visit.page.getByLabel("Offline").check();
  await visit.panel.locator(".notice").waitFor();
  await visit.write("two");
  await visit.write("three");
  await visit.panel.getByText("2 messages will be sent").waitFor();
  // It stays off over a reload, and a way through the shop.
  await visit.page.getByRole("link", { name: "Delivery" }).click();
  await visit.page.getByRole("heading", { name: "Delivery" }).waitFor();
  await until("it says that it is off", () => visit.page.getByLabel("Offline").isChecked());
  await until("the panel is there again, with what waits", async () => (await visit.panel.locator("[data-delivery=queued]").count()) === 2);
  expect(stage.proxy.webSockets).toBe(0);

  await visit.page.getByLabel("Slow").check();
  await until("all are sent", async () => (await visit.panel.locator("[data-delivery=sent]").count()) === 3, { patience: 60_000 });
  await visit.page.getByLabel("Cut now and then").check();
  await visit.page.locator("#network-log", { hasText: "cut at" }).waitFor();
  await visit.write("four");
  await until("it is stored", async () => (await stage.texts(id)).length === 4, { patience: 60_000 });
  await visit.page.getByLabel("Good").check();
  expect(await stage.texts(id)).toEqual(["one", "two", "three", "four"]);
  // A slow network and cuts take their time.
}, 180_000);
