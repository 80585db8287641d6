/**
 * Every state of the widget, light and dark, on a phone and on a wide screen: axe-core finds nothing, nothing sticks out,
 * and a picture is taken, into `target/e2e/widget`, to be looked at.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { BrowserContextOptions } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { ROOT } from "../harness/paths.js";
import { until } from "../harness/wait.js";
import { expectNone, Stage, type Visit } from "./widget-stage.js";

const PICTURES = join(ROOT, "target/e2e/widget");

let stage: Stage;
beforeAll(async () => {
  mkdirSync(PICTURES, { recursive: true });
  stage = await Stage.start();
});
afterEach(() => stage.clear());
afterAll(() => stage.stop());

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;
const WIDE = { viewport: { width: 1440, height: 900 } } as const;
const VIEWS: Record<string, BrowserContextOptions> = {
  "390 light": { ...PHONE, colorScheme: "light" },
  "390 dark": { ...PHONE, colorScheme: "dark" },
  "1440 light": { ...WIDE, colorScheme: "light" },
  "1440 dark": { ...WIDE, colorScheme: "dark" },
};

const ATTRIBUTES = { "data-name": "Alder & Ash", "data-questions": "Where is my order?|How do I return something?|Are the glazes food safe?" };

/** Judges a state, and takes its picture. */
async function judge(visit: Visit, view: string, state: string): Promise<void> {
  // What moves is at rest before it is looked at.
  await visit.page.evaluate(() => {
    const root = document.querySelector("cossistant-widget")?.shadowRoot;
    for (const animation of root?.getAnimations() ?? []) if (animation.effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY) animation.finish();
  });
  const { width = 0, height = 0 } = visit.page.viewportSize() ?? {};
  const x = ((await visit.launcher.boundingBox())?.x ?? 0) < width / 2 ? 0 : Math.max(0, width - 480);
  const clip = { x, y: 0, width: Math.min(480, width), height };
  await visit.page.screenshot({ path: join(PICTURES, `${state} ${view}.png`.replace(/ /g, "-")), clip });
  expect(await visit.violations(), `${state}, ${view}`).toEqual([]);
  const sticking = await visit.page.evaluate(() => {
    const root = document.querySelector("cossistant-widget")?.shadowRoot;
    const panel = root?.querySelector(".panel");
    if (!panel || panel.closest("[inert]")) return [];
    const { left, right } = panel.getBoundingClientRect();
    const isOut = (element: Element) => {
      const box = element.getBoundingClientRect();
      // A table or code scrolls in its own bubble.
      return box.width > 1 && (box.left < left - 1 || box.right > right + 1) && !element.closest("pre, table, .hidden");
    };
    return [...panel.querySelectorAll("*")].filter(isOut).map((element) => `${element.localName}.${element.getAttribute("class")}`);
  });
  expect(sticking, `${state}, ${view}`).toEqual([]);
}

const conversations = async (visit: Visit) => {
  await visit.panel.locator("[data-delivery=sent]").first().waitFor();
  return visit.conversationId();
};

test.each(Object.entries(VIEWS))("%s", async (view, browser) => {
  const visit = await stage.visit({ attributes: ATTRIBUTES, browser, body: "<h1>A shop</h1><p>Things to buy.</p>" });
  await judge(visit, view, "01 closed");
  await visit.open();
  await judge(visit, view, "02 nobody online");
  const grace = await stage.member();
  const fern = await stage.member("Fern", "ai_agent");
  await visit.panel.locator(".presence.somebody").waitFor();
  await judge(visit, view, "03 welcome");

  await visit.write("Hello! The mug that I ordered on Monday has a crack.");
  const id = await conversations(visit);
  fern.say({ type: "subscribe_conversation", conversationId: id });
  fern.say({ type: "agent_activity", conversationId: id, phase: "looking", text: "Looking at your order", audience: "all" });
  await visit.panel.locator(".busy").waitFor();
  await judge(visit, view, "04 agent at work");
  fern.say({ type: "typing_progress", conversationId: id, content: "I am sorry about the mug. We send another one at once, and you" });
  await visit.panel.locator(".draft").waitFor();
  await judge(visit, view, "05 draft");
  await fern.answer(id, "I am sorry about the mug. We send another one at once, and you may keep the cracked one.");
  await visit.message("may keep the cracked one").waitFor();
  await visit.panel.getByRole("button", { name: "Talk to a person" }).click();
  await visit.panel.getByText("We have been told").waitFor();
  await judge(visit, view, "06 person asked for");
  await grace.answer(id, "Grace here. I have just packed a new one myself.");
  await grace.answer(id, {
    html: '<p>It leaves <b>today</b>. <a href="https://track.example/1">Track it</a>, or use the code:</p><pre><code>ALDER-2026-0042-REPLACEMENT-OF-A-CRACKED-MUG</code></pre><ul><li>Three days to most of Europe</li><li>Paper and straw</li></ul>',
    attachments: [
      { id: "1", url: `${stage.front.url}/demo/mug.svg`, type: "image/svg+xml", name: "mug.svg" },
      { id: "2", url: "https://alder.example/label.pdf", type: "application/pdf", name: "Return label.pdf", size: 48_213 },
    ],
  });
  await until("the picture is there", () => visit.panel.locator(".picture img").evaluate((image: HTMLImageElement) => image.naturalWidth > 0));
  await visit.write("👍");
  await visit.write("Thank you! https://shop.example/orders/2026/a-very-long-address-that-goes-on-and-on-without-any-place-to-break-it/0042?ref=mail");
  await visit.write(`And a word: ${"Donaudampfschifffahrtselektrizitäten".repeat(3)}`);
  const { seq } = (await stage.server.messages(id)).at(-1) ?? {};
  await visit.message("And a word").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  grace.say({ type: "mark_seen", conversationId: id, seq: (seq ?? 0) + 5 });
  grace.say({ type: "typing_start", conversationId: id });
  await visit.panel.locator(".mark.seen").last().waitFor();
  await visit.panel.locator(".writing", { hasText: "Grace Hopper is writing" }).waitFor();
  await judge(visit, view, "07 chat");
  await until("one reads above the end", async () => {
    // What is rendered before the list hears that it was scrolled leaves it at its end.
    await visit.panel.locator(".list").evaluate((list) => (list.scrollTop = list.scrollHeight / 3));
    return visit.panel.locator(".to-end").isVisible();
  });
  await judge(visit, view, "08 scrolled up");
  await visit.panel.getByRole("button", { name: "Newest messages" }).click();

  await visit.panel.getByRole("button", { name: "Emoji" }).click();
  await judge(visit, view, "09 emoji");
  await visit.panel.getByRole("button", { name: "Attach" }).click();
  await visit.panel.getByLabel("Address of the file").fill("nonsense");
  await visit.panel.getByRole("button", { name: "Add" }).click();
  await judge(visit, view, "10 bad address");
  await visit.panel.getByLabel("Address of the file").fill("https://alder.example/a-photo-of-the-mug-with-a-rather-long-name.jpg");
  await visit.panel.getByRole("button", { name: "Add" }).click();
  await visit.field.fill("Here is a picture of it,\nand two lines.\nAnd a third one.");
  await judge(visit, view, "11 attachment");
  await visit.field.press("Enter");
  await visit.message("And a third one").and(visit.panel.locator("[data-delivery=sent]")).waitFor();

  await stage.proxy.set({ type: "refuse" });
  await stage.crash();
  await visit.panel.locator(".notice").waitFor();
  await visit.write("This one waits.");
  await visit.write("And this one.");
  await visit.panel.getByText("2 messages will be sent").waitFor();
  await judge(visit, view, "12 offline with queue");
  const token = await stage.server.token("user", "grace");
  await stage.server.api("PATCH", `/v1/conversations/${id}`, { status: "closed" }, token);
  await stage.proxy.set({ type: "pass" });
  await visit.reconnect();
  await until("both failed", async () => (await visit.panel.locator("[data-delivery=failed]").count()) === 2);
  await visit.panel.getByText("This conversation has ended.").waitFor();
  await judge(visit, view, "13 failed and ended");

  await stage.server.api("PATCH", `/v1/conversations/${id}`, { status: "open" }, token);
  await visit.field.waitFor();
  await visit.field.press("Escape");
  const back = await stage.member();
  await back.answer(id, "Are you still there?");
  await until("the badge is there", () => visit.launcher.locator(".badge").isVisible());
  await judge(visit, view, "14 badge");
  await visit.launcher.click();
  await visit.panel.locator(".line.new").waitFor();
  await judge(visit, view, "15 new messages");
  for (const member of [grace, fern, back]) member.leave();
  // Fifteen states take their time on a busy machine.
}, 300_000);

test("right to left", async () => {
  for (const [view, browser] of Object.entries(VIEWS).filter(([name]) => /390 light|1440 dark/.test(name))) {
    const visit = await stage.visit({ attributes: { ...ATTRIBUTES, "data-direction": "rtl", "data-language": "ar", "data-questions": "أين طلبي؟|كيف أعيد منتجا؟", "data-color": "#0f766e" }, browser });
    const grace = await stage.member("سارة");
    await visit.open();
    await judge(visit, view, "20 rtl welcome");
    await visit.write("مرحبا! أين طلبي؟ https://shop.example/1");
    await grace.answer(await conversations(visit), "إنه في الطريق.");
    await grace.answer(await visit.conversationId(), "And one in English.");
    await visit.message("And one in English.").waitFor();
    await judge(visit, view, "21 rtl chat");
    grace.leave();
  }
});

test("zoomed, and with forced colours", async () => {
  // At 200 % a window of 1440 × 900 has 720 × 450 of what styles count in, a phone 195 × 422.
  for (const [name, browser] of [
    ["22 zoom 1440", { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 }],
    ["22 zoom 390", { viewport: { width: 195, height: 422 }, deviceScaleFactor: 2 }],
    ["23 forced colours", { ...WIDE, forcedColors: "active", colorScheme: "dark" }],
  ] as const) {
    const visit = await stage.visit({ attributes: { ...ATTRIBUTES, "data-language": "de" }, browser });
    await visit.launcher.click();
    await visit.field.waitFor();
    await visit.connected();
    await judge(visit, "welcome", name);
    await visit.write("Guten Tag, wo ist meine Bestellung?");
    const id = await conversations(visit);
    const grace = await stage.member();
    await grace.answer(id, "Unterwegs: https://track.example/1");
    await visit.message("Unterwegs").waitFor();
    await stage.proxy.set({ type: "refuse" });
    await stage.crash();
    await visit.panel.locator(".notice").waitFor();
    await visit.write("Danke!");
    await visit.panel.getByText("Wartet auf den Versand").waitFor();
    await judge(visit, "chat", name);
    // There is room to read.
    expect((await visit.panel.locator(".list").boundingBox())?.height ?? 0).toBeGreaterThan(60);
    await stage.proxy.set({ type: "pass" });
    grace.leave();
    await visit.context.close();
  }
  // Six states and three restarts, too.
}, 180_000);

test.each(["#ffe600", "#ffffff", "#000000", "#ff0000", "tomato", "hsl(190 90% 60%)"])("a site's colour is readable: %s", async (color) => {
  for (const theme of ["light", "dark"] as const) {
    const visit = await stage.visit({ attributes: { ...ATTRIBUTES, "data-color": color, "data-theme": theme }, browser: WIDE });
    await visit.open();
    await visit.write("Hello https://a.example/");
    await visit.panel.locator("[data-delivery=sent]").waitFor();
    await visit.field.fill("More");
    await judge(visit, theme, `30 colour ${color.replace(/\W/g, "")}`);
    expectNone(visit.problems);
    await visit.context.close();
  }
});
