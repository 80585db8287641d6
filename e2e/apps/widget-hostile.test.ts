/** Known attacks in everything that others write: none runs, with the server's sanitising and without it. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { HTML_PAYLOADS, TEXT_PAYLOADS, URL_PAYLOADS } from "../../packages/react/test/widget/payloads.js";
import { unique, until } from "../harness/wait.js";
import { expectNone, Stage, type Visit } from "./widget-stage.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(() => stage.clear());
afterAll(() => stage.stop());

interface Watched {
  ran: number;
  reports: string[];
}

/** A page on which everything may run, and which notes what does. */
async function watched(): Promise<Visit> {
  const { url } = stage.front;
  return stage.visit({
    head: `<script>
      window.ran = 0; window.__xss = () => { window.ran += 1 }; window.alert = window.__xss;
      window.reports = []; document.addEventListener("securitypolicyviolation", (event) => reports.push(event.violatedDirective + " " + event.blockedURI + " " + event.sample));
    </script>`,
    reportOnly: `script-src ${url} 'unsafe-inline' 'wasm-unsafe-eval'; script-src-attr 'none'; object-src 'none'; frame-src 'none'; form-action 'none'; base-uri 'none'; style-src 'none'; img-src http: https: data:`,
  });
}

/** What was shown, looked at, hovered and clicked; and what of it ran, or should not be there. */
async function faults(visit: Visit): Promise<string[]> {
  // A link opens another tab, which would stand in the way.
  visit.context.on("page", (page) => void page.close().catch(() => undefined));
  return visit.panel.evaluate(async (panel) => {
    const faults: string[] = [];
    const TAGS = new Set("a b blockquote br button code del div em form h2 header hr i img input label li ol p path pre s section span strong sub sup svg table tbody td textarea th thead time tr u ul".split(" "));
    for (const element of panel.querySelectorAll("*")) {
      const { localName } = element;
      if (!TAGS.has(localName)) faults.push(`an element ${localName}`);
      for (const { name, value } of element.attributes) {
        if (name.startsWith("on") || name === "srcdoc" || name === "is" || name === "formaction" || name === "id" && !/^(_r_|:|P)/.test(value)) faults.push(`${localName} with ${name}=${value}`);
        if (name === "style" && localName !== "textarea" && localName !== "span") faults.push(`${localName} with style ${value}`);
        if ((name === "href" || name === "src") && !/^(https?:\/\/|mailto:)/.test(value)) faults.push(`${localName} with ${name}=${value}`);
        if (name === "href" && element.getAttribute("rel") !== "noopener noreferrer nofollow ugc") faults.push(`a link that gives its opener: ${value}`);
      }
    }
    const open = window.open;
    window.open = () => null;
    for (const element of panel.querySelectorAll<HTMLElement>(".messages *")) {
      for (const type of ["pointerover", "mouseover", "pointerenter", "focus", "animationstart"]) element.dispatchEvent(new Event(type, { bubbles: true, composed: true }));
      if (element.localName === "a") {
        // Where it leads was looked at above; what it runs is looked at here.
        element.addEventListener("click", (event) => event.preventDefault(), { once: true });
        element.click();
      }
    }
    window.open = open;
    // What was to run in a moment has its chance.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { ran, reports } = window as unknown as Watched;
    if (ran > 0) faults.push(`${ran} attacks ran`);
    return [...faults, ...reports];
  });
}

test("as the server tells them", async () => {
  const visit = await watched();
  await visit.open();
  await visit.write(TEXT_PAYLOADS[0] ?? "");
  const id = await visit.conversationId();
  await visit.panel.locator("[data-delivery=sent]").waitFor();
  for (const text of TEXT_PAYLOADS.slice(1)) await visit.write(text);
  await until("all are sent", async () => (await visit.panel.locator("[data-delivery=sent]").count()) === TEXT_PAYLOADS.length);

  let refused = 0;
  for (const name of TEXT_PAYLOADS) {
    const member = await stage.member(name.slice(0, 100), "ai_agent");
    member.say({ type: "subscribe_conversation", conversationId: id });
    await member.answer(id, { text: name, metadata: { html: name, url: name, intent: name } });
    member.say({ type: "agent_activity", conversationId: id, phase: "x", text: name, audience: "all" });
    member.say({ type: "typing_progress", conversationId: id, content: name });
    await until("the draft is shown", async () => (await visit.panel.locator(".draft").count()) >= 1);
    member.leave();
  }
  const member = await stage.member("Mallory");
  const token = await stage.server.token("user", "mallory");
  let tooDeep = 0;
  for (const html of HTML_PAYLOADS) {
    const content = { html: `x ${html}` };
    await stage.server
      .api("POST", `/v1/conversations/${id}/messages`, { id: unique("attack"), content }, token)
      .catch((error: unknown) => {
        // What would take long to read is refused; nothing else of it is.
        if (!String(error).includes("nested too deeply")) throw error;
        tooDeep += 1;
      });
  }
  expect(tooDeep).toBeLessThanOrEqual(2);
  for (const url of URL_PAYLOADS) {
    const attachments = [{ id: url, url, type: "image/png", name: url }, { id: "2", url, type: "text/html", name: url }];
    await stage.server
      .api("POST", `/v1/conversations/${id}/messages`, { id: unique("attack"), content: { attachments } }, token)
      .catch(() => (refused += 1));
  }
  expect(refused).toBeGreaterThanOrEqual(7);
  await member.answer(id, "the last one");
  await visit.message("the last one").waitFor();
  await visit.panel.locator(".list").evaluate((list) => (list.scrollTop = 0));
  expectNone(await faults(visit));
  expect(HTML_PAYLOADS.length).toBeGreaterThanOrEqual(60);
  member.leave();
});

test("as they were written, by a server that sanitises nothing", async () => {
  const visit = await watched();
  let number = 0;
  const raw = (content: unknown, senderName: string) => ({
    type: "new_message",
    conversationId: "x",
    messageId: `msg_${(number += 1)}`,
    content,
    senderType: "user",
    senderId: senderName.slice(0, 40),
    senderName,
    createdAt: new Date().toISOString(),
    websiteId: stage.server.ready.websiteId,
    organizationId: "org-demo",
    visibility: "public",
    seq: number + 1,
  });
  const messages = [
    ...HTML_PAYLOADS.map((html) => raw({ html }, "Mallory")),
    ...TEXT_PAYLOADS.map((text) => raw({ text, metadata: { text } }, text)),
    ...URL_PAYLOADS.flatMap((url) => ["image/svg+xml", "text/html", `"><img src=x onerror=window.__xss()>`].map((type) => raw({ attachments: [{ id: url, url, type, name: url, size: 1 }] }, url))),
  ];
  let isAsked = false;
  await visit.page.route("**/v1/conversations/*/messages*", async (route) => {
    const conversationId = new URL(route.request().url()).pathname.split("/")[3];
    isAsked = true;
    await route.fulfill({
      headers: { "access-control-allow-origin": "*" },
      json: { messages: messages.map((message) => ({ ...message, conversationId })), hasMore: false },
    });
  });
  await visit.open();
  await visit.field.pressSequentially("H");
  await until("the messages are asked for", () => isAsked);
  await visit.panel.locator(".message").first().waitFor();
  // All of them are shown, not the newest alone.
  await until("all are shown", async () => {
    await visit.panel.locator(".list").evaluate((list) => {
      list.scrollTop = 0;
      list.dispatchEvent(new Event("scroll"));
    });
    return (await visit.panel.locator(".message").count()) >= messages.length;
  });
  expectNone(await faults(visit));
});

test("the watch sees what runs and what should not be there", async () => {
  const visit = await watched();
  await visit.open();
  const found = await faults(visit);
  expectNone(found);
  await visit.panel.locator(".messages").evaluate((list) => {
    const row = document.createElement("li");
    row.innerHTML = `<img src="https://x.invalid/" onerror="window.__xss()"><a href="javascript:window.__xss()">x</a><iframe srcdoc="x"></iframe>`;
    list.append(row);
  });
  await until("it runs", () => visit.page.evaluate(() => (window as unknown as Watched).ran > 0));
  const all = (await faults(visit)).join("\n");
  for (const fault of ["an element iframe", "img with onerror", "a with href=javascript:", "attacks ran", "script-src-attr"]) expect(all).toContain(fault);
});
