/** The hooks, in Chromium, with the real server. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { World } from "../harness/world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

test("2, 16, 19: in StrictMode a chat has one socket, and two people see each other write", async () => {
  const conversation = unique("strict");
  const begun = world.proxy.webSocketsBegun;
  // A dial that a busy machine is too slow for would be followed by another one.
  const config = { connectTimeout: 20_000 };
  const visitor = await world.open({ html: "react", person: "visitor:strict", conversations: [conversation], config });
  await visitor.page.locator("#state", { hasText: /^connected$/ }).waitFor();
  expect(world.proxy.webSocketsBegun).toBe(begun + 1);
  expect(world.proxy.webSockets).toBe(1);

  await visitor.page.locator("input").fill("Where is my order?");
  await visitor.page.keyboard.press("Enter");
  await visitor.page.locator("li[data-delivery=sent]", { hasText: "Where is my order?" }).waitFor();

  const team = await world.open({ html: "react", person: "user:strict", conversations: [conversation] });
  await team.page.locator("li", { hasText: "Where is my order?" }).waitFor();
  await team.page.locator("input").pressSequentially("On its way");
  await visitor.page.locator("#typing", { hasText: "strict" }).waitFor();
  await team.page.keyboard.press("Enter");
  await visitor.page.locator("li", { hasText: "On its way" }).waitFor();
  expect(await visitor.page.locator("li").allTextContents()).toEqual(["Where is my order?", "On its way"]);
  expect(await visitor.page.locator("#identity").textContent()).toBe("same");
  expect([...visitor.problems, ...team.problems]).toEqual([]);
});

test("2: when the provider goes, the socket goes, and comes back with it", async () => {
  const conversation = unique("unmount");
  const tab = await world.open({ html: "react", person: "visitor:unmount", conversations: [conversation] });
  await tab.page.locator("#state", { hasText: /^connected$/ }).waitFor();
  const open = world.proxy.webSockets;
  await tab.page.locator("button").click();
  await until("the socket is gone", () => world.proxy.webSockets === open - 1);
  await tab.page.locator("button").click();
  await tab.page.locator("#state", { hasText: /^connected$/ }).waitFor();
  expect(world.proxy.webSockets).toBe(open);
  expect(tab.problems).toEqual([]);
});

test("16: a component that shows nothing of it does not render on messages", async () => {
  const conversation = unique("renders");
  const tab = await world.open({ html: "react", person: "visitor:renders", conversations: [conversation] });
  await tab.page.locator("#state", { hasText: /^connected$/ }).waitFor();
  await tab.page.locator("input").fill("first");
  await tab.page.keyboard.press("Enter");
  await tab.page.locator("li[data-delivery=sent]").waitFor();
  const before = await tab.page.evaluate(() => ({ ...window.renders }));
  const token = await world.server.token("user", "grace");
  for (let n = 0; n < 200; n += 1) {
    const body = { id: `${conversation}-${n}`, content: { text: `message ${n}` } };
    await world.server.api("POST", `/v1/conversations/${conversation}/messages`, body, token);
  }
  await tab.page.locator("li", { hasText: "message 199" }).waitFor();
  const after = await tab.page.evaluate(() => ({ ...window.renders }));
  expect(after.quiet).toBe(before.quiet);
  expect(after.pill).toBe(before.pill);
  // StrictMode renders twice.
  expect(after.chat - before.chat).toBeLessThanOrEqual(2 * 200 * 2);
  console.log(`200 messages: ${after.chat - before.chat} renders of the list in StrictMode, 0 of the others`);
});

test("12: in React too, what is written offline is shown as waiting and goes later", async () => {
  const conversation = unique("waiting");
  const tab = await world.open({ html: "react", person: "visitor:waiting", conversations: [conversation] });
  await tab.page.locator("#state", { hasText: /^connected$/ }).waitFor();
  await world.proxy.set({ type: "refuse" });
  await world.crash();
  await tab.page.locator("#state", { hasText: "not connected" }).waitFor();
  await tab.page.locator("input").fill("later");
  await tab.page.keyboard.press("Enter");
  await tab.page.locator("li[data-delivery=queued]", { hasText: "later" }).waitFor();
  await world.proxy.set({ type: "pass" });
  await tab.page.locator("li[data-delivery=sent]", { hasText: "later" }).waitFor();
  expect(await tab.page.locator("li").count()).toBe(1);
});
