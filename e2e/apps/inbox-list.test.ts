/** What the list counts and shows, and where what is new begins, when there is more of it than a page has. */

import type { Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { type Desk, InboxWorld } from "./inbox-world.js";

let world: InboxWorld;
beforeAll(async () => {
  world = await InboxWorld.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** The number on a tab; 0 without one. */
const countOn = async (desk: Desk, tab: string): Promise<string> => {
  const text = await desk.page.getByRole("button", { name: new RegExp(`^${tab}`) }).textContent();
  return (text ?? "").replace(tab, "");
};

/** Conversations of visitors who are not there, each with a message unless `text` is undefined. */
async function conversations(prefix: string, count: number, text: string | undefined): Promise<void> {
  const { websiteId } = world.server.ready;
  const token = await world.server.token("user", "grace");
  const left = Array.from({ length: count }, (_, index) => index);
  const make = async (): Promise<void> => {
    for (let index = left.pop(); index !== undefined; index = left.pop()) {
      const conversationId = `${prefix}-${index}`;
      await world.server.api("POST", "/v1/conversations", { websiteId, visitorId: conversationId, conversationId }, token);
      if (text === undefined) continue;
      await world.server.api("POST", `/v1/conversations/${conversationId}/messages`, { id: "m", content: { text } }, token);
    }
  };
  await Promise.all(Array.from({ length: 8 }, make));
}

test("a visitor who begins is seen, and one who gives up leaves no empty row", async () => {
  const desk = await world.desk({ person: "ada" });
  await desk.page.getByText("Nobody is waiting").waitFor();
  const id = unique("begun");
  const visitor = await world.visitor(unique("bo"));
  await visitor.subscribe(id);
  visitor.type(id, "How do I");
  await desk.row(id).getByText("How do I").waitFor();
  visitor.tell({ type: "typing_stop", conversationId: id });
  // While the visitor is there the row stays, and is nothing to answer yet.
  await desk.row(id).getByText("No messages yet").waitFor();
  expect(await countOn(desk, "Open")).toBe("");
  visitor.leave();
  await desk.row(id).waitFor({ state: "detached" });
  await desk.page.getByText("Nobody is waiting").waitFor();
  await desk.page.reload();
  await desk.page.getByText("Nobody is waiting").waitFor();

  // By its address it can be opened, and has a row as long as it is.
  await desk.page.goto(`${world.front.url}/inbox/${id}`);
  await desk.page.getByText("has not said anything yet").waitFor();
  await desk.row(id).waitFor();
  await desk.field.fill("Can I help you?");
  await desk.page.getByRole("region", { name: "Messages" }).press("u");
  await desk.row(id).getByText("Can I help you?").waitFor();
  await desk.open(id);
  await desk.send("Can I help you?");
  await until("it counts", async () => (await countOn(desk, "Open")) === "1");
  expect(desk.problems).toEqual([]);
});

test("a count is exact beyond a page, and follows what happens", async () => {
  await conversations("counted", 230, "hello");
  // The newest page has nothing to show; those below are shown all the same.
  await conversations("silent", 60, undefined);
  const desk = await world.desk({ person: "ada" });
  await desk.page.locator('[data-conversation^="counted-"]').first().waitFor();
  expect(await desk.page.locator('[data-conversation^="silent-"]').count()).toBe(0);
  // It begins at nothing, because the newest page has nothing to count.
  const all = await until("open ones are counted", async () => {
    const count = Number(await countOn(desk, "Open"));
    return count >= 230 ? count : undefined;
  });
  await until("those of nobody are counted", async () => (await countOn(desk, "Unassigned")) === `${all}`);
  expect(await countOn(desk, "Mine")).toBe("");

  // One that was silent counts with its first message, and one that is resolved does not any more.
  const visitor = await world.visitor("silent-7");
  await visitor.say("silent-7", "Now I know what to ask");
  await desk.row("silent-7").waitFor();
  await until("it counts", async () => (await countOn(desk, "Open")) === `${all + 1}`);
  const grace = await world.member("Grace", "user");
  await grace.change("silent-7", { status: "resolved" });
  await until("it does not count any more", async () => (await countOn(desk, "Open")) === `${all}`);
  await grace.change("counted-3", { assignedTeamMemberId: "ada" });
  await until("it is hers", async () => (await countOn(desk, "Mine")) === "1" && (await countOn(desk, "Unassigned")) === `${all - 1}`);
  expect(desk.problems).toEqual([]);
});

test("a further page that a lost connection ended is asked for again", async () => {
  await conversations("below", 1, "hello");
  // The newest page has nothing to show, so the next one is asked for by itself.
  await conversations("above", 60, undefined);
  const desk = await world.desk();
  let asked = 0;
  await desk.page.route(/limit=50&cursor=/, (route) => {
    asked += 1;
    return asked === 1 ? undefined : route.continue();
  });
  await desk.page.getByRole("button", { name: /ada/i }).click();
  await until("the next page is asked for", () => asked > 0);
  await world.proxy.cut();
  await desk.row("below-0").waitFor();
  expect(desk.problems).toEqual([]);
});

test("rows are dimmed while those of another filter are asked for, and not while they are asked for again", async () => {
  const [desk, id, word] = [await world.desk({ person: "ada" }), unique("dimmed"), unique("quagga").replace(/\W/g, "")];
  await conversations(id, 1, word);
  await desk.row(`${id}-0`).waitFor();
  const list = desk.page.getByTestId("list");
  const found = desk.page.waitForResponse(/search=/);
  await desk.page.getByLabel("Search conversations").fill(word);
  await found;
  await until("what was found is shown", async () => (await list.getAttribute("aria-busy")) === "false");
  const opacity = () => list.locator(".rows").evaluate((rows) => getComputedStyle(rows).opacity);
  let mode: "pass" | "hold" | "break" = "hold";
  const held: Route[] = [];
  await desk.page.route(/search=/, (route) => {
    if (mode === "hold") held.push(route);
    else return mode === "pass" ? route.continue() : route.abort();
  });
  const release = async (): Promise<void> => {
    mode = "pass";
    // One that is asked for anew has been given up by the page.
    await Promise.all(held.splice(0).map((route) => route.continue().catch(() => undefined)));
  };

  await world.proxy.cut();
  await until("the rows are asked for again", () => held.length > 0);
  expect(await list.getAttribute("aria-busy")).toBe("false");
  expect(await opacity()).toBe("1");
  await release();

  mode = "hold";
  await desk.page.getByRole("button", { name: /^All/ }).click();
  await until("those of the other filter are asked for", () => held.some((route) => !route.request().url().includes("status=")));
  await until("the rows are dimmed", async () => (await opacity()) === "0.6");
  expect(await list.getAttribute("aria-busy")).toBe("true");
  await release();
  await until("they are there", async () => (await opacity()) === "1");
  await desk.row(`${id}-0`).waitFor();

  // Rows of another filter are no answer.
  mode = "break";
  await desk.page.getByRole("button", { name: /^Pending/ }).click();
  await desk.page.getByText("could not be loaded").waitFor();
  expect(await desk.row(`${id}-0`).count()).toBe(0);
  mode = "pass";
  await desk.page.getByRole("button", { name: "Try again" }).click();
  await desk.page.getByText("could not be loaded").waitFor({ state: "detached" });
  expect(await desk.row(`${id}-0`).count()).toBe(0);
  expect(desk.problems).toEqual([]);
});

test("the line above what is new stands where that begins, however much it is, and reading begins there", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("unread")];
  const visitor = await world.visitor(unique("ulf"));
  for (let n = 1; n <= 130; n += 1) await visitor.say(id, `message ${n}.`);
  await visitor.subscribe(id);
  const begin = ada.page.locator(".unread-line + article, .unread-line + * article").first();
  const inSight = () => ada.page.getByTestId("timeline").evaluate((box) => {
    const line = box.querySelector(".unread-line")?.getBoundingClientRect();
    const { top, bottom } = box.getBoundingClientRect();
    return line !== undefined && line.top >= top - 1 && line.bottom <= bottom;
  }); // prettier-ignore
  const seen = () => visitor.received.filter(({ type }) => type === "conversation_seen").length;
  await ada.open(id);
  await begin.getByText("message 1.", { exact: true }).waitFor();
  await until("one reads from there", inSight);
  // Whoever has not come to the end has not seen it.
  expect(seen()).toBe(0);
  await ada.page.getByRole("button", { name: "130 new messages" }).click();
  await visitor.heard("conversation_seen");

  // The next time it stands below what was read.
  await ada.page.getByRole("region", { name: "Messages" }).press("u");
  for (let n = 131; n <= 190; n += 1) await visitor.say(id, `message ${n}.`);
  await ada.open(id);
  await begin.getByText("message 131.", { exact: true }).waitFor();
  await until("one reads from there", inSight);
  await ada.page.getByRole("button", { name: /new messages|newest/ }).click();
  await until("it is seen", () => seen() > 1);

  // What fits is seen at once.
  await ada.page.getByRole("region", { name: "Messages" }).press("u");
  await visitor.say(id, "the last one.");
  const before = seen();
  await ada.open(id);
  await begin.getByText("the last one.", { exact: true }).waitFor();
  await until("it is seen", () => seen() > before);
  expect(ada.problems).toEqual([]);
});
