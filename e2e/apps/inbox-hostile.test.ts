/** Nothing that a stranger writes runs, loads, submits or hides anything in the inbox. */

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { until } from "../harness/wait.js";
import { type Desk, InboxWorld } from "./inbox-world.js";
import { ADDRESSES, PAYLOADS } from "./payloads.js";

vi.setConfig({ testTimeout: 180_000 });

let world: InboxWorld;
beforeAll(async () => {
  world = await InboxWorld.start();
});
afterAll(() => world.stop());

/** What is in the page that no message may put there, and what the policy had to forbid. */
async function traces(desk: Desk): Promise<unknown> {
  return desk.page.evaluate(() => {
    const found: string[] = [];
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        const isCode = /^on/i.test(name) || /^\s*(?:javascript|data|vbscript):/i.test(value);
        if (isCode && !(name === "href" && element.tagName === "LINK")) found.push(`${element.tagName} ${name}=${value}`);
      }
    }
    const inMessages = ".timeline, .list-pane, .panel-pane";
    for (const area of document.querySelectorAll(inMessages)) {
      for (const element of area.querySelectorAll("script, style, iframe, object, embed, form, base, link, meta, math, video, audio, template")) {
        found.push(element.outerHTML.slice(0, 200));
      }
    }
    const { ran, violations } = globalThis as unknown as { ran?: unknown; violations: string[] };
    return { ran, found, violations };
  });
}

const CLEAN = { ran: undefined, found: [], violations: [] };

async function watched(path: string): Promise<Desk> {
  const desk = await world.desk();
  await desk.page.addInitScript(() => {
    const violations: string[] = [];
    Object.assign(globalThis, { violations });
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
      violations.push(`${violatedDirective} ${blockedURI} ${sample}`),
    );
  });
  desk.page.on("dialog", (dialog) => {
    desk.problems.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await desk.page.getByRole("button", { name: /ada/i }).click();
  await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor();
  await desk.page.goto(world.front.url + path);
  return desk;
}

/** Clicks on every link and puts the pointer over every message, without leaving the page. */
async function provoke(desk: Desk): Promise<void> {
  await desk.page.evaluate(() => {
    document.addEventListener("click", (event) => event.preventDefault(), { capture: true });
    for (const element of document.querySelectorAll<HTMLElement>(".timeline *, .panel-pane *")) {
      element.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
      if (element.closest("a")) element.click();
    }
  });
}

test("texts of a visitor are texts", async () => {
  const visitor = await world.visitor("mallory");
  for (const payload of PAYLOADS) await visitor.say("conv-text", payload);
  const desk = await watched("/inbox/conv-text");
  await desk.page.locator("article.message").last().waitFor();
  for (const payload of PAYLOADS.slice(-20)) {
    // Each stands there as it was written.
    expect(await desk.page.locator("article.message .plain").allTextContents()).toContain(payload);
  }
  visitor.type("conv-text", PAYLOADS.join(" ").slice(0, 2_000));
  await desk.page.getByTestId("preview").waitFor();
  await provoke(desk);
  expect(await traces(desk)).toEqual(CLEAN);
  expect(desk.problems).toEqual([]);
});

test("rich text of an agent keeps its words and loses what could run", async () => {
  const { url, secretKey } = world.server.ready;
  await (await world.visitor("victim")).say("conv-html", "hello");
  for (const [index, html] of [`<b>kept</b> <a href="https://x.example/">link</a>`, ...PAYLOADS].entries()) {
    const answer = await fetch(`${url}/v1/conversations/conv-html/messages?agentId=bot`, {
      method: "POST",
      headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/json" },
      body: JSON.stringify({ id: `h${index}`, content: { html, text: "plain" }, metadata: { html, [html.slice(0, 60)]: 1 } }),
    });
    expect([201, 400], html).toContain(answer.status);
  }
  const desk = await watched("/inbox/conv-html");
  await desk.page.locator(".rich").first().waitFor();
  // The first of them is on an older page.
  await until("the first of them is there", async () => {
    await desk.page.getByTestId("timeline").evaluate((box) => (box.scrollTop = 0));
    return desk.page.locator(".rich b", { hasText: "kept" }).isVisible();
  });
  expect(await desk.page.locator(".rich a[href='https://x.example/']").first().getAttribute("rel")).toContain("noopener");
  await provoke(desk);
  expect(await traces(desk)).toEqual(CLEAN);
  expect(desk.problems).toEqual([]);
});

test("even rich text that the server had not sanitised", async () => {
  await (await world.visitor("victor")).say("conv-raw", "hello");
  const desk = await watched("/");
  await desk.page.route("**/v1/conversations/conv-raw/messages**", async (route) => {
    const answer = await route.fetch();
    const page = (await answer.json()) as { messages: Record<string, unknown>[] };
    const [first] = page.messages;
    const made = PAYLOADS.map((html, index) => ({
      ...first, messageId: `msg_${index}`, seq: index + 2, senderType: "ai_agent", senderId: "bot", senderName: html, content: { html },
    })); // prettier-ignore
    await route.fulfill({ json: { ...page, messages: [...page.messages, ...made] } });
  });
  await desk.open("conv-raw");
  await desk.page.locator("article.message").nth(20).waitFor();
  await provoke(desk);
  expect(await traces(desk)).toEqual(CLEAN);
  expect(desk.problems).toEqual([]);
});

test("names, addresses of mail, pages and attachments", async () => {
  const { url, secretKey, websiteId } = world.server.ready;
  for (const [index, payload] of PAYLOADS.entries()) {
    const body = { type: "visitor", sub: `named-${index}`, name: payload.slice(0, 100), email: `${payload.slice(0, 60)}@x.y`, websites: [websiteId] };
    const answer = await fetch(`${url}/v1/tokens`, {
      method: "POST",
      headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.status !== 201) continue;
    const { token } = (await answer.json()) as { token: string };
    await world.server.api("POST", "/v1/conversations", { conversationId: `conv-named-${index}` }, token);
    await world.server.api("POST", `/v1/conversations/conv-named-${index}/messages`, { id: "m", content: { text: "hi" } }, token);
  }
  for (const [index, address] of ADDRESSES.entries()) {
    const visitor = await world.visitor(`paged-${index}`, address);
    await visitor.say(`conv-paged-${index}`, "look");
    // What the server refuses at once, the next test puts in behind it.
    const attachments = [{ id: "1", url: address, type: "image/png", name: PAYLOADS[index] ?? "" }];
    visitor.tell({ type: "send_message", id: "a", conversationId: `conv-paged-${index}`, content: { attachments } });
  }
  const desk = await watched("/inbox/conv-paged-0");
  for (const index of ADDRESSES.keys()) {
    await desk.page.goto(`${world.front.url}/inbox/conv-paged-${index}`);
    await desk.message("look").waitFor();
    await desk.page.getByRole("region", { name: "Visitor" }).getByText("Last seen").waitFor();
    await provoke(desk);
    expect(await traces(desk), ADDRESSES[index]).toEqual(CLEAN);
  }
  expect(desk.problems).toEqual([]);
});

test("even an attachment's address that the server had let through", async () => {
  await (await world.visitor("arthur")).say("conv-attached", "hello");
  const desk = await watched("/");
  await desk.page.route("**/v1/conversations/conv-attached/messages**", async (route) => {
    const answer = await route.fetch();
    const page = (await answer.json()) as { messages: Record<string, unknown>[] };
    const made = ADDRESSES.map((url, index) => ({
      ...page.messages[0], messageId: `msg_${index}`, seq: index + 2, senderType: index % 2 ? "visitor" : "user", senderId: "x",
      content: { attachments: [{ id: "1", url, type: index % 3 ? "image/png" : "text/html", name: PAYLOADS[index] }] },
    })); // prettier-ignore
    await route.fulfill({ json: { ...page, messages: [...page.messages, ...made] } });
  });
  await desk.page.route(/x\.example|evil\.example/, (route) => route.abort());
  await desk.open("conv-attached");
  await desk.page.locator("article.message").nth(ADDRESSES.length).waitFor();
  for (const show of await desk.page.getByRole("button", { name: /^Show/ }).all()) await show.click();
  await provoke(desk);
  expect(await traces(desk)).toEqual(CLEAN);
  const links = await desk.page.locator(".timeline a").evaluateAll((all) => all.map((link) => new URL((link as HTMLAnchorElement).href).protocol));
  expect(new Set(links)).toEqual(new Set(["https:", "http:"]));
});
