/** The widget on pages that are not kind to it, and what it owes to them. */

import type { Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { until } from "../harness/wait.js";
import { expectNone, Stage, type Visit } from "./widget-stage.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(() => stage.clear());
afterAll(() => stage.stop());

/** How the launcher and the panel look, as far as a page could change it. */
async function looks(visit: Visit): Promise<unknown> {
  await visit.open();
  await visit.panel.getByText("Hi there").waitFor();
  return visit.page.evaluate(async () => {
    const root = document.querySelector("cossistant-widget")?.shadowRoot;
    // What is on its way is at another place each time it is looked at.
    const ending = root?.getAnimations().filter(({ effect }) => Number.isFinite(effect?.getComputedTiming().endTime ?? Infinity));
    await Promise.allSettled((ending ?? []).map(({ finished }) => finished));
    const of = (selector: string) => {
      const element = root?.querySelector(selector);
      if (!element) return selector;
      const { display, position, color, backgroundColor, fontSize, fontFamily, borderRadius, width, height, direction, visibility, textTransform, lineHeight } = getComputedStyle(element);
      const { x, y } = element.getBoundingClientRect();
      return { selector, display, position, color, backgroundColor, fontSize, fontFamily, borderRadius, width, height, direction, visibility, textTransform, lineHeight, x, y };
    };
    return [".launcher", ".panel", ".header", "h2", ".presence", ".greeting", "textarea", ".send", ".person"].map(of);
  });
}

test("no style of a page reaches the widget, and none of its own reaches the page", async () => {
  const plain = await stage.visit({ attributes: { "data-theme": "light" } });
  const hostile = await stage.visit({
    attributes: { "data-theme": "light" },
    head: `<style>
      html, body { direction: rtl; font: italic 40px/3 fantasy !important; color: red; text-transform: uppercase; letter-spacing: 9px; word-spacing: 20px; cursor: wait }
      * { all: unset !important }
      body *, body *::before, body *::after { display: inline !important; position: static !important; visibility: hidden !important; opacity: 0.1 !important; transform: rotate(20deg) !important; font-size: 50px !important; width: 1px !important }
      div, button, textarea { background: lime !important; border: 9px solid red !important }
    </style>`,
  });
  expect(await looks(hostile)).toEqual(await looks(plain));
  expectNone(hostile.problems);

  const page = await (await stage.browser.newContext()).newPage();
  const body = "<h1>A shop</h1><button>Buy</button><p>Text <a href='#'>link</a></p>";
  const styles = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("html, body, h1, button, p, a")].map((element) => JSON.stringify(Object.fromEntries([...getComputedStyle(element)].map((name) => [name, getComputedStyle(element).getPropertyValue(name)])))),
    );
  await page.goto(stage.shop.put("/bare", { html: `<!doctype html><html lang="en"><title>x</title><body><main>${body}</main></body></html>` }));
  const before = await styles();
  await page.goto(stage.shop.put("/dressed", { html: `<!doctype html><html lang="en"><title>x</title><body><main>${body}</main>${stage.tag()}</body></html>` }));
  await page.locator("cossistant-widget .launcher").waitFor();
  expect(await styles()).toEqual(before);
});

test("the strictest policy that lets the widget connect is enough, without WebAssembly", async () => {
  const front = stage.front.url;
  const csp = `default-src 'none'; script-src ${front}; connect-src ${front} ${front.replace("http", "ws")}; require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'`;
  stage.front.requested.length = 0;
  const visit = await stage.visit({ csp, attributes: { "data-color": "#0f766e" } });
  await visit.open();
  await visit.write("Under a policy");
  await visit.panel.locator("[data-delivery=sent]").waitFor();
  expect(await visit.launcher.evaluate((button) => getComputedStyle(button).backgroundColor)).toBe("rgb(15, 118, 110)");
  expect(stage.front.requested.some((path) => path.includes("fallback"))).toBe(true);
  expect(stage.front.requested.some((path) => path.includes("inline"))).toBe(false);
  // The browser says once that WebAssembly was tried, and the page's own icon is forbidden.
  expectNone(visit.problems.filter((problem) => !/WebAssembly|wasm-|favicon|data:,/.test(problem)));
});

test("before the page is loaded nothing happens, and until it is asked for there is a button alone", async () => {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route("**/slow.png", async (route) => {
    await held;
    await route.fulfill({ status: 404 });
  });
  stage.front.requested.length = 0;
  const url = stage.page({ body: '<h1>Shop</h1><img src="/slow.png" alt="">' });
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForFunction(() => !!window.Cossistant);
  await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
  expect(stage.front.requested).toEqual(["/widget.js"]);
  expect(await page.locator("cossistant-widget").count()).toBe(0);
  release();
  await page.locator("cossistant-widget .launcher").waitFor();
  const loaded = [...stage.front.requested];
  expectNone(loaded.filter((path) => /panel|session|inline|fallback|\/(en|de|fr)-/.test(path)));
  expect(stage.proxy.webSockets).toBe(0);
  // Whoever comes near gets the panel's code before the click.
  await page.locator("cossistant-widget .launcher").hover();
  await until("the panel is on its way", () => stage.front.requested.some((path) => path.includes("panel")));
  expect(stage.proxy.webSockets).toBe(0);
});

test("wrong attributes are said with a code, and throw nothing", async () => {
  const wrong = { "data-color": "blurple", "data-theme": "neon", "data-language": "!", "data-position": "up", "data-questions": "[1", "data-identity-token": "x", "data-server": "ftp://x" };
  const visit = await stage.visit({ attributes: wrong });
  const codes = () => visit.problems.flatMap((problem) => /^error: \[cossistant\] (\w+): /.exec(problem)?.[1] ?? `other: ${problem}`);
  await until("all of them are said", () => codes().length >= Object.keys(wrong).length);
  expect(codes().sort()).toEqual(["bad_color", "bad_identity_token", "bad_language", "bad_position", "bad_questions", "bad_server", "bad_theme"]);

  const context = await stage.browser.newContext();
  const page = await context.newPage();
  const said: string[] = [];
  const thrown: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => thrown.push(error.message));
  await page.goto(stage.page({ attributes: { "data-public-key": "" } }));
  await until("the missing key is said", () => said.some((text) => text.startsWith("[cossistant] missing_public_key: ")));
  await page.evaluate(() => window.Cossistant?.open());
  expect(await page.locator("cossistant-widget").count()).toBe(0);
  expectNone(thrown);

  // A tag that is there twice makes one widget.
  const twice = await stage.visit({ head: stage.tag() });
  await until("the second one is noted", () => twice.problems.some((problem) => problem.includes("already_loaded")));
  expect(await twice.page.locator("cossistant-widget").count()).toBe(1);
});

test("the page can open, close, listen, change and destroy the widget", async () => {
  const visit = await stage.visit();
  const { page } = visit;
  await page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    window.Cossistant?.on("open", () => seen.push("open"));
    window.Cossistant?.on("close", () => seen.push("close"));
    window.Cossistant?.open();
  });
  await visit.field.waitFor();
  await page.evaluate(() => window.Cossistant?.update({ color: "#b00020", language: "fr", theme: "dark", position: "left", texts: { greeting: "Salut" } }));
  await visit.panel.getByText("Salut").waitFor();
  await visit.panel.getByPlaceholder("Écrivez un message").waitFor();
  expect(await visit.launcher.evaluate((button) => getComputedStyle(button).backgroundColor)).toBe("rgb(176, 0, 32)");
  expect(await visit.panel.evaluate((panel) => panel.getBoundingClientRect().left)).toBeLessThan(100);
  expect(await visit.panel.evaluate((panel) => getComputedStyle(panel).colorScheme)).toBe("dark");
  await page.evaluate(() => window.Cossistant?.close());
  await visit.panel.waitFor({ state: "hidden" });
  expect(await page.evaluate(() => (window as unknown as { seen: string[] }).seen)).toEqual(["open", "close"]);
  await page.evaluate(() => window.Cossistant?.destroy());
  expect(await page.locator("cossistant-widget").count()).toBe(0);
  await until("the socket is gone", () => stage.proxy.webSockets === 0);
});

test("a site that replaces its body takes the widget along", async () => {
  const visit = await stage.visit();
  await visit.open();
  await visit.field.fill("half a sentence");
  await visit.page.evaluate(() => {
    const next = document.createElement("body");
    next.innerHTML = "<h1>Another page</h1>";
    document.body.replaceWith(next);
  });
  await visit.page.getByText("Another page").waitFor();
  await until("the widget is there", () => visit.field.isVisible());
  expect(await visit.field.inputValue()).toBe("half a sentence");
  expect(stage.proxy.webSockets).toBe(1);
});

test("languages, and languages written from right to left", async () => {
  const german = await stage.visit({ browser: { locale: "de-AT" }, attributes: { "data-language": "de" } });
  await german.open();
  await german.panel.getByText("Mit einem Menschen sprechen").waitFor();
  await german.write("Guten Tag");
  await german.panel.getByText("Heute").waitFor();
  const arabic = await stage.visit({ attributes: { "data-language": "ar" } });
  await arabic.open();
  const box = await arabic.panel.boundingBox();
  expect(box?.x).toBeLessThan(100);
  await arabic.write("مرحبا");
  const own = arabic.panel.locator(".own .bubble");
  await own.waitFor();
  // One's own messages stand at the end of the line, which is on the left.
  const bubble = await own.boundingBox();
  expect((bubble?.x ?? 999) - (box?.x ?? 0)).toBeLessThan(60);
});

test("with the keyboard alone", async () => {
  const visit = await stage.visit();
  const { page } = visit;
  const focused = () =>
    page.evaluate(() => {
      const element = document.querySelector("cossistant-widget")?.shadowRoot?.activeElement;
      return element?.getAttribute("aria-label") ?? element?.textContent ?? element?.tagName ?? "";
    });
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Open chat");
  await page.keyboard.press("Enter");
  await visit.field.waitFor();
  await until("the text field has the focus", async () => (await focused()) === "Your message");
  await page.keyboard.type("From the keyboard");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("in two lines");
  await page.keyboard.press("Enter");
  await visit.panel.locator("[data-delivery=sent]", { hasText: /keyboard\s+in two/ }).waitFor();
  const order: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    await page.keyboard.press("Tab");
    order.push(await focused());
  }
  expect(order).toEqual(["Attach a link to a file or picture", "Emoji", "Talk to a person", "Send"]);
  // Escape closes what is open inside first, then the panel; the focus goes back to the button.
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await visit.panel.locator(".emoji-choice").waitFor();
  await page.keyboard.press("Escape");
  await until("the choice is gone", async () => (await visit.panel.locator(".emoji-choice").count()) === 0);
  expect(await focused()).toBe("Your message");
  await page.keyboard.press("Escape");
  await visit.panel.waitFor({ state: "hidden" });
  expect(await focused()).toBe("Open chat");
  // What is closed is out of reach.
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("");
});

test("on a phone the panel is the whole window, and keeps the focus", async () => {
  const visit = await stage.visit({ browser: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } });
  await visit.launcher.tap();
  await visit.field.waitFor();
  await until("it covers the window", async () => {
    const box = await visit.panel.boundingBox();
    return box?.x === 0 && box.y === 0 && box.width === 390 && box.height === 844;
  });
  expect(await visit.panel.getAttribute("aria-modal")).toBe("true");
  // It comes to the text field a moment after that is seen.
  await until("the text field has the focus", () => visit.field.evaluate((field) => (field.getRootNode() as ShadowRoot).activeElement === field));
  const seen = new Set<string>();
  for (let n = 0; n < 12; n += 1) {
    await visit.page.keyboard.press("Tab");
    seen.add(await visit.page.evaluate(() => document.activeElement?.tagName ?? ""));
  }
  expect([...seen]).toEqual(["COSSISTANT-WIDGET"]);
  const small = await visit.panel.locator("button:visible").evaluateAll((all) =>
    all.flatMap((button) => {
      const { width, height } = button.getBoundingClientRect();
      const grown = button.matches(".send") ? 8 : 0;
      return width + grown < 44 || height + grown < 44 ? [`${button.className}: ${width} × ${height}`] : [];
    }),
  );
  expectNone(small);
  await visit.panel.getByRole("button", { name: "Close chat" }).tap();
  await visit.panel.waitFor({ state: "hidden" });
  expect(await visit.launcher.isVisible()).toBe(true);
});

test("what happens is said to screen readers, once", async () => {
  const visit = await stage.visit();
  await visit.open();
  await visit.write("Hello");
  await visit.panel.locator("[data-delivery=sent]").waitFor();
  const status = visit.panel.locator("[role=status]");
  const grace = await stage.member();
  await grace.answer(await visit.conversationId(), "Good morning!");
  await until("the answer is said", async () => (await status.textContent()) === "Grace Hopper: Good morning!");
  await stage.proxy.set({ type: "refuse" });
  await stage.crash();
  await until("the loss is said", async () => (await status.textContent()) === "You are offline.");
  await stage.proxy.set({ type: "pass" });
  await visit.reconnect();
  await until("the end of it is said", async () => (await status.textContent()) === "You are online again.");
  grace.leave();
});

test("an answer that comes before the conversation is loaded is said, too", async () => {
  const visit = await stage.visit();
  await visit.open();
  const held: Route[] = [];
  await visit.page.route(/\/v1\/conversations\/[^/]+\/messages(\?|$)/, (route) => void held.push(route));
  await visit.write("Hello");
  await until("the conversation is being loaded", () => held.length > 0);
  const grace = await stage.member();
  await grace.answer(await visit.conversationId(), "Good morning!");
  await visit.panel.locator(".message.other", { hasText: "Good morning!" }).waitFor();
  for (const route of held) await route.continue();
  await until("the answer is said", async () => (await visit.panel.locator("[role=status]").textContent()) === "Grace Hopper: Good morning!");
  grace.leave();
});

test("the sound is off until it is asked for, and the choice is kept", async () => {
  const visit = await stage.visit();
  await visit.open();
  const button = visit.panel.getByRole("button", { name: "Turn sound on" });
  expect(await button.getAttribute("aria-pressed")).toBe("false");
  await button.click();
  await visit.page.reload();
  await visit.panel.getByRole("button", { name: "Turn sound off" }).waitFor();
  expectNone(visit.problems);
});
