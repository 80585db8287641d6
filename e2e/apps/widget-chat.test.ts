/** A visitor and the team, through the widget as a customer's page loads it. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import type { Teammate } from "./teammate.js";
import { expectNone, Stage, type Visit } from "./widget-stage.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(() => stage.clear());
afterAll(() => stage.stop());

/** A visitor with a conversation that begins with this message. */
async function begun(text = "Hello?", visit?: Visit): Promise<{ visit: Visit; id: string }> {
  const visitor = visit ?? (await stage.visit());
  await visitor.open();
  await visitor.write(text);
  await visitor.panel.locator("[data-delivery=sent]").waitFor();
  return { visit: visitor, id: await visitor.conversationId() };
}

/** The words of a message's mark. */
const mark = (visit: Visit, text: string) => visit.message(text).locator(".mark");

async function withTeam<Answer>(use: (member: Teammate) => Promise<Answer>, ...as: Parameters<Stage["member"]>): Promise<Answer> {
  const member = await stage.member(...as);
  try {
    return await use(member);
  } finally {
    member.leave();
  }
}

test("a visitor writes, the team sees it grow and answers, both see the marks", async () => {
  const visit = await stage.visit();
  await withTeam(async (grace) => {
    grace.say({ type: "subscribe_website", websiteId: stage.server.ready.websiteId });
    await grace.heard("subscription_confirmed");
    await visit.open();
    await visit.panel.locator(".presence.people").waitFor();
    // On a machine that is busy the server may leave out what newer text replaces, so nothing newer comes before this is heard.
    await visit.field.pressSequentially("W");
    await grace.heard("conversation_created");
    await visit.field.pressSequentially("here", { delay: 15 });
    await grace.heard("typing_progress", ({ content }) => content === "Where");
    await visit.field.pressSequentially(" is my order?", { delay: 15 });
    await grace.heard("typing_progress", ({ content }) => content === "Where is my order?");
    const previews = grace.received.filter(({ type }) => type === "typing_progress").map(({ content }) => String(content));
    expect(previews.length).toBeGreaterThan(1);
    for (const preview of previews) expect("Where is my order?").toContain(preview);

    await visit.field.press("Enter");
    await mark(visit, "Where is my order?").getByText("Sent").waitFor();
    const { conversationId, seq } = await grace.heard("new_message");
    const id = String(conversationId);
    expect(id).toBe(await visit.conversationId());

    grace.say({ type: "mark_seen", conversationId: id, seq });
    await mark(visit, "Where is my order?").getByText("Seen").waitFor();
    grace.say({ type: "typing_start", conversationId: id });
    await visit.panel.locator(".writing", { hasText: "Grace Hopper is writing" }).waitFor();
    await grace.answer(id, "On its way!");
    await visit.message("On its way!").waitFor();
    expect(await visit.panel.locator(".writing").count()).toBe(0);
    // With the panel open and its end in sight the visitor has seen it.
    await grace.heard("conversation_seen", ({ userType }) => userType === "visitor");
  });
  expectNone(visit.problems);
});

test("it is told who is there: a person, an AI agent alone, somebody of whom it is not known which, nobody", async () => {
  const presence = (visit: Visit, kind: string, text: string) => visit.panel.locator(`.presence.${kind}`, { hasText: text }).waitFor();
  const visit = await stage.visit();
  await visit.open();
  await presence(visit, "nobody", "Nobody is online");
  // The server tells that somebody came, and not who: it may be an agent.
  const fern = await stage.member("Fern", "ai_agent");
  await presence(visit, "somebody", "We are here to answer");
  const later = await stage.visit();
  await later.open();
  await presence(later, "agents", "The AI agent answers right away");
  const grace = await stage.member("Grace Hopper");
  const latest = await stage.visit();
  await latest.open();
  await presence(latest, "people", "Online now");
  grace.leave();
  fern.leave();
  for (const each of [visit, later, latest]) await presence(each, "nobody", "Nobody is online");
  expectNone(visit.problems);
});

test("while the panel is closed the badge counts, and what is new is marked when it opens", async () => {
  const { visit, id } = await begun();
  await visit.field.press("Escape");
  await visit.panel.waitFor({ state: "hidden" });
  expect(await visit.launcher.evaluate((button) => (button.getRootNode() as ShadowRoot).activeElement === button)).toBe(true);
  await withTeam(async (grace) => {
    await grace.answer(id, "First");
    await grace.answer(id, "Second");
  });
  const badge = visit.launcher.locator(".badge");
  await until("the badge says 2", async () => (await badge.textContent()) === "2");
  expect(await visit.launcher.getAttribute("aria-label")).toBe("Open chat, 2 unread messages");

  // The badge outlives a reload, with the panel closed and the panel's code never loaded.
  await visit.page.reload();
  stage.front.requested.length = 0;
  await until("the badge says 2 again", async () => (await badge.textContent()) === "2");
  expectNone(stage.front.requested.filter((path) => path.includes("panel")));
  await visit.launcher.click();
  const rows = visit.panel.locator(".messages > li");
  await visit.message("Second").waitFor();
  await until("the line stands above the first new one", async () => {
    const texts = await rows.evaluateAll((all) => all.map((row) => `${row.className} ${row.textContent}`));
    const at = texts.findIndex((text) => text.startsWith("line new"));
    return at > 0 && texts[at + 1]?.includes("First");
  });
  await until("the badge is gone", () => badge.isHidden());
  await visit.page.reload();
  await visit.panel.waitFor();
  await visit.message("Second").waitFor();
  await until("it is remembered as seen", async () => (await visit.launcher.getAttribute("aria-label")) === "Close chat");
});

test("an AI agent's answer is shown as it is written, and a person can be asked for", async () => {
  const { visit, id } = await begun("Can I return a mug?");
  await withTeam(
    async (fern) => {
      fern.say({ type: "subscribe_conversation", conversationId: id });
      fern.say({ type: "agent_activity", conversationId: id, phase: "reading", text: "Looking at the FAQ", audience: "all" });
      await visit.panel.locator(".busy", { hasText: "Looking at the FAQ" }).waitFor();
      for (const content of ["You can", "You can return", "You can return it within"]) {
        fern.say({ type: "typing_progress", conversationId: id, content });
        await visit.panel.locator(".draft", { hasText: content }).waitFor();
      }
      await fern.answer(id, "You can return it within thirty days.");
      await visit.message("within thirty days").locator(".ai").waitFor();
      await until("the draft is gone", async () => (await visit.panel.locator(".draft").count()) === 0);

      const button = visit.panel.getByRole("button", { name: "Talk to a person" });
      await button.click();
      const asked = await fern.heard("new_message", ({ metadata }) => (metadata as { intent?: string } | undefined)?.intent === "person");
      expect(asked["visibility"]).toBe("public");
      await visit.panel.getByText("We have been told that you would like to talk to a person.").waitFor();
      expect(await button.isDisabled()).toBe(true);
    },
    "Fern",
    "ai_agent",
  );
  await withTeam((grace) => grace.answer(id, "Grace here."));
  await until("the line is gone", async () => (await visit.panel.getByText("We have been told").count()) === 0);
});

test("what is written without a connection is shown, outlives a reload, and goes once", async () => {
  const { visit, id } = await begun();
  await stage.proxy.set({ type: "refuse" });
  await stage.crash();
  await visit.panel.locator(".notice").waitFor();
  await visit.write("one");
  await visit.write("two");
  await mark(visit, "two").getByText("Waiting to be sent").waitFor();
  await visit.panel.getByText("2 messages will be sent when you are back.").waitFor();
  await visit.field.fill("a draft");

  await visit.page.reload();
  await visit.message("two").and(visit.panel.locator("[data-delivery=queued]")).waitFor();
  expect(await visit.field.inputValue()).toBe("a draft");
  await stage.proxy.set({ type: "pass" });
  await visit.reconnect();
  await visit.message("two").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  await until("the notice is gone", async () => (await visit.panel.locator(".notice").count()) === 0);
  expect(await stage.texts(id)).toEqual(["Hello?", "one", "two"]);
  // What was said before is loaded once there is a connection.
  await visit.message("Hello?").waitFor();
  expect(await visit.panel.locator(".message").count()).toBe(3);
});

test("cut again and again, in the middle of messages, nothing is lost and nothing doubled", async () => {
  const { visit, id } = await begun();
  const said = ["Hello?"];
  for (let round = 0; round < 6; round += 1) {
    await stage.proxy.set({ type: "cutAfter", bytes: 150 + round * 90 });
    for (const n of [1, 2]) {
      said.push(`message ${round}.${n}`);
      await visit.write(`message ${round}.${n}`);
    }
    await stage.proxy.set({ type: "pass" });
  }
  await until("all are stored", async () => (await stage.texts(id)).length === said.length, { describe: () => visit.problems.join("\n") });
  expect(await stage.texts(id)).toEqual(said);
  await until("all are shown as sent", async () => (await visit.panel.locator("[data-delivery=sent]").count()) === said.length);
});

test("a message that failed says so, and is sent again or taken away", async () => {
  const { visit, id } = await begun();
  const token = await stage.server.token("user", "grace");
  await stage.proxy.set({ type: "refuse" });
  await stage.crash();
  await visit.panel.locator(".notice").waitFor();
  await visit.write("too late");
  await visit.write("much too late");
  await stage.server.api("PATCH", `/v1/conversations/${id}`, { status: "closed" }, token);
  await stage.proxy.set({ type: "pass" });
  await visit.reconnect();

  const failed = visit.panel.locator("[data-delivery=failed]");
  await until("both failed", async () => (await failed.count()) === 2);
  await visit.panel.getByText("This conversation has ended.").waitFor();
  expectNone(await visit.violations());
  await failed.filter({ hasText: "much" }).getByRole("button", { name: "Delete" }).click();
  await stage.server.api("PATCH", `/v1/conversations/${id}`, { status: "open" }, token);
  await visit.field.waitFor();
  await failed.getByRole("button", { name: "Try again" }).click();
  await visit.message("too late").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  expect(await stage.texts(id)).toEqual(["Hello?", "too late"]);
});

test("a conversation that has ended gives way to a new one", async () => {
  const { visit, id } = await begun();
  const token = await stage.server.token("user", "grace");
  await stage.server.api("PATCH", `/v1/conversations/${id}`, { status: "resolved" }, token);
  await visit.panel.getByText("Marked as resolved").waitFor();
  await stage.server.api("PATCH", `/v1/conversations/${id}`, { status: "closed" }, token);
  await visit.panel.getByRole("button", { name: "Start a new conversation" }).click();
  await visit.write("Something else");
  await visit.message("Something else").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  expect(await visit.conversationId()).not.toBe(id);
  expect(await visit.panel.locator(".message").count()).toBe(1);
});

test("two tabs are in the same conversation, over one socket, from its first letter", async () => {
  const one = await stage.visit();
  const two = await stage.visit({ context: one.context });
  await one.open();
  await two.open();
  await one.write("from the first");
  await two.message("from the first").waitFor();
  await two.write("from the second");
  await one.message("from the second").and(one.panel.locator("[data-delivery=sent]")).waitFor();
  await until("there is one socket", () => stage.proxy.webSockets === 1);
  expect(await stage.texts(await one.conversationId())).toEqual(["from the first", "from the second"]);
});

test("a long conversation is loaded and shown as it is wanted, and stays where it is", async () => {
  const { visit, id } = await begun();
  const token = await stage.server.token("user", "grace");
  for (let n = 1; n <= 160; n += 1) {
    await stage.server.api("POST", `/v1/conversations/${id}/messages`, { id: unique("old"), content: { text: `message ${n}.` } }, token);
  }
  await visit.page.reload();
  await visit.message("message 160.").waitFor();
  const list = visit.panel.locator(".list");
  await until("the newest is in sight", () => list.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight < 2));
  expect(await visit.panel.locator(".message").count()).toBeLessThanOrEqual(60);

  // What the reader looks at stays where it is while older ones come above it, one's own among them.
  const countShown = () => visit.panel.locator(".message").count();
  while ((await visit.message("Hello?").count()) === 0) {
    const count = await countShown();
    const moved = await list.evaluate(async (it) => {
      const rows = () => [...it.querySelectorAll<HTMLElement>(".message")];
      const first = rows()[0];
      it.scrollTop = 100;
      const row = rows().find((message) => message.getBoundingClientRect().top > it.getBoundingClientRect().top);
      const text = row?.querySelector(".text")?.textContent;
      // Its words: above them it has a name until older ones of the same person come.
      const topOf = (message: Element | undefined) => message?.querySelector(".text")?.getBoundingClientRect().top ?? Number.NaN;
      const top = topOf(row);
      await new Promise<void>((resolve) => {
        const look = () => {
          if (rows()[0] !== first) return resolve();
          // What is rendered before the list hears that it was scrolled leaves it at its end.
          if (it.scrollHeight - it.scrollTop - it.clientHeight < 2) it.scrollTop = 100;
          requestAnimationFrame(look);
        };
        look();
      });
      // Not only in the frame in which they came.
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const same = rows().find((message) => message.querySelector(".text")?.textContent === text);
      return topOf(same) - top;
    });
    expect(Math.abs(moved)).toBeLessThan(4);
    expect(await countShown()).toBeGreaterThan(count);
  }
  // A new message does not pull the reader away, but says that it is there.
  await stage.server.api("POST", `/v1/conversations/${id}/messages`, { id: unique("new"), content: { text: "the newest" } }, token);
  await visit.panel.locator(".to-end", { hasText: "1" }).waitFor();
  expect(await list.evaluate((it) => it.scrollTop)).toBeLessThan(2_000);
  await visit.panel.getByRole("button", { name: "Newest messages" }).click();
  await until("the newest is in sight again", () => list.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight < 2));
});

test("attachments, links and emoji", async () => {
  const { visit, id } = await begun("See https://shop.example/orders/12.");
  const link = visit.message("See").locator("a");
  expect(await link.getAttribute("href")).toBe("https://shop.example/orders/12");
  expect(await link.getAttribute("rel")).toContain("noopener");

  await visit.panel.getByRole("button", { name: "Attach" }).click();
  const address = visit.panel.getByLabel("Address of the file");
  await address.fill("javascript:alert(1)");
  await address.press("Enter");
  await visit.panel.getByText("begins with https://").waitFor();
  await address.fill(`${stage.front.url}/demo/mug.svg`);
  await address.press("Enter");
  await visit.panel.locator(".chips", { hasText: "mug.svg" }).waitFor();
  await visit.panel.getByRole("button", { name: "Emoji" }).click();
  await visit.panel.getByRole("button", { name: "👍" }).click();
  expect(await visit.field.inputValue()).toBe("👍");
  // In the middle of a text what is written next goes behind it, however soon.
  await visit.field.press("ArrowLeft");
  await visit.panel.getByRole("button", { name: "Emoji" }).click();
  const behind = await visit.panel.getByRole("button", { name: "🎉" }).evaluate(async (button) => {
    const field = (button.getRootNode() as ShadowRoot).querySelector("textarea");
    (button as HTMLElement).click();
    await Promise.resolve();
    return field?.value.slice(field.selectionStart);
  });
  expect(behind).toBe("👍");
  await visit.field.fill("👍");
  await visit.field.press("Enter");
  const picture = visit.panel.locator(".picture img");
  await until("the picture is there", () => picture.evaluate((image: HTMLImageElement) => image.naturalWidth > 0));
  // It is seen before the server has it.
  const stored = await until("it is stored", async () => {
    const [, message] = (await stage.server.messages(id)) as unknown as { content: { attachments: { type: string; name: string }[] } }[];
    return message;
  });
  expect(stored.content.attachments[0]).toMatchObject({ type: "image/svg+xml", name: "mug.svg" });

  await withTeam((grace) =>
    grace.answer(id, {
      html: '<h2>Care</h2><ul><li>Let it <b>warm up</b></li></ul><p><a href="https://care.example">more</a></p>',
      attachments: [{ id: "1", url: `${stage.front.url}/gone.png`, type: "image/png", name: "gone.png", size: 12345 }],
    }),
  );
  await visit.panel.locator(".rich b", { hasText: "warm up" }).waitFor();
  // A picture that cannot be had becomes a link to it.
  await visit.panel.locator(".file", { hasText: "gone.png" }).waitFor();
  expect(await visit.panel.locator(".file-size").textContent()).toContain("12.3");
});

test("a known person is made of the visitor, and a log-out forgets who it was", async () => {
  const { visit, id } = await begun("I am going to log in.");
  const sub = unique("customer");
  const token = await stage.identity({ sub, name: "Ada", email: "ada@mail.example" });
  await visit.page.evaluate((identity) => window.Cossistant?.identify(identity), token);
  const user = await stage.server.token("user", "grace");
  const { visitorId } = await stage.server.api<{ visitorId: string }>("GET", `/v1/conversations/${id}`, undefined, user);
  const visitor = await stage.server.api<{ identity?: { externalId?: string } }>("GET", `/v1/visitors/${visitorId}`, undefined, user);
  expect(visitor.identity?.externalId).toBe(sub);
  await visit.write("Logged in.");
  await visit.message("Logged in.").and(visit.panel.locator("[data-delivery=sent]")).waitFor();

  await visit.page.evaluate(() => window.Cossistant?.reset());
  await visit.panel.locator(".welcome").waitFor();
  await visit.connected();
  await visit.write("Somebody else.");
  await visit.message("Somebody else.").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  expect(await stage.texts(id)).toEqual(["I am going to log in.", "Logged in."]);

  // On another device the person finds the conversation again.
  const other = await stage.visit({ attributes: { "data-identity-token": token } });
  await other.launcher.click();
  await other.message("I am going to log in.").waitFor();
});

test("a log-out forgets what was written and not sent, in all tabs", async () => {
  const { visit, id } = await begun("Said before.");
  const other = await stage.visit({ context: visit.context });
  await other.open();
  await other.field.fill("a draft of the other tab");
  await stage.proxy.set({ type: "refuse" });
  await stage.crash();
  await visit.panel.locator(".notice").waitFor();
  await visit.write("never sent");
  await mark(visit, "never sent").getByText("Waiting to be sent").waitFor();
  await other.panel.locator(".notice").waitFor();
  await other.write("never sent either");
  await other.field.fill("a draft of the other tab");
  await visit.field.fill("half a draft");
  await visit.page.evaluate(() => window.Cossistant?.reset());

  for (const tab of [visit, other]) {
    await tab.panel.locator(".welcome").waitFor();
    await until("the field is empty", async () => (await tab.field.inputValue()) === "");
    expect(await tab.panel.locator(".message").count()).toBe(0);
    const kept = await tab.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    expect(kept).not.toMatch(/never sent|draft of|half a draft/);
  }
  await stage.proxy.set({ type: "pass" });
  await visit.reconnect();
  await visit.write("Somebody else.");
  await visit.message("Somebody else.").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  await other.message("Somebody else.").waitFor();
  expect(await stage.texts(id)).toEqual(["Said before."]);
  expect(await stage.texts(await visit.conversationId())).toEqual(["Somebody else."]);
  expect(await keptMessages(visit)).toEqual([]);
});

test("a page that goes right after a log-out leaves nothing to the next one", async () => {
  const { visit, id } = await begun("Said before.");
  await stage.proxy.set({ type: "refuse" });
  await stage.crash();
  await visit.panel.locator(".notice").waitFor();
  await visit.write("never sent");
  await mark(visit, "never sent").getByText("Waiting to be sent").waitFor();
  await until("it is kept", async () => (await keptMessages(visit)).length === 1);
  await visit.page.evaluate(() => {
    void window.Cossistant?.reset();
    location.reload();
  });
  await visit.panel.locator(".welcome").waitFor();
  await stage.proxy.set({ type: "pass" });
  await visit.reconnect();
  await visit.write("Somebody else.");
  await visit.message("Somebody else.").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  expect(await stage.texts(id)).toEqual(["Said before."]);
  expect(await keptMessages(visit)).toEqual([]);
});

test("a known person whose visitor the server refuses is known again", async () => {
  const { visit, id } = await begun("Before.");
  const token = await stage.identity({ sub: unique("customer"), name: "Ada" });
  await visit.page.evaluate((identity) => window.Cossistant?.identify(identity), token);
  await visit.page.evaluate(() => {
    const name = Object.keys(localStorage).find((key) => /^cossistant:ws/.test(key)) ?? "";
    localStorage.setItem(name, "not.a.token");
  });
  await stage.crash();
  await until("another visitor begins", () => visit.page.evaluate(() => !Object.values(localStorage).includes("not.a.token")));
  await until("the conversation is the person's again", async () => (await visit.conversationId()) === id);
  await visit.write("After.");
  await visit.message("After.").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  expect(await stage.texts(id)).toEqual(["Before.", "After."]);
});

/** The unsent messages that the browser keeps. */
const keptMessages = (visit: Visit) =>
  visit.page.evaluate(
    () =>
      new Promise<unknown[]>((resolve, reject) => {
        const request = indexedDB.open("cossistant-queue");
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const rows = request.result.transaction("messages").objectStore("messages").getAll();
          rows.onsuccess = () => resolve(rows.result);
          request.result.close();
        };
      }),
  );

test("suggested questions are sent at a click", async () => {
  const visit = await stage.visit({ attributes: { "data-questions": "Where is my order?|Can I return it?" } });
  await visit.open();
  await visit.panel.getByRole("button", { name: "Can I return it?" }).click();
  await visit.message("Can I return it?").and(visit.panel.locator("[data-delivery=sent]")).waitFor();
  expect(await visit.panel.locator(".question").count()).toBe(0);
});

test("a look at the panel leaves nothing with the team", async () => {
  const visit = await stage.visit();
  const token = await stage.server.token("user", "grace");
  const path = `/v1/websites/${stage.server.ready.websiteId}/conversations?limit=200`;
  const count = async () => (await stage.server.api<{ conversations: unknown[] }>("GET", path, undefined, token)).conversations.length;
  const before = await count();
  await visit.open();
  expect(await count()).toBe(before);
  await visit.field.pressSequentially("H");
  await until("the first letter begins one", async () => (await count()) === before + 1);
});
