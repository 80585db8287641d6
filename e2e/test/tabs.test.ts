/** Many tabs with one socket. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { type Tab, World } from "../harness/world.js";
import type { PageOptions } from "../page/options.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

const SHARED = { shareAcrossTabs: true };

/** Opens tabs of one browser profile. */
async function tabs(count: number, person: string, conversation: string, config: PageOptions["config"] = SHARED): Promise<Tab[]> {
  const first = await world.open({ person, conversations: [conversation], config });
  await first.connected();
  const rest = [];
  for (let n = 1; n < count; n += 1) {
    rest.push(await world.open({ person, conversations: [conversation], config, context: first.context }));
  }
  for (const tab of rest) await tab.connected();
  return [first, ...rest];
}

/** Which of the tabs has the socket. */
async function leader(all: Tab[]): Promise<Tab> {
  return until("one leader", async () => {
    const sockets = await Promise.all(all.map((tab) => tab.page.evaluate(() => window.app.client.getWebSocket() !== null)));
    return sockets.filter(Boolean).length === 1 ? all[sockets.indexOf(true)] : undefined;
  });
}

/** Every tab gets exactly these texts, in this order. */
async function everyoneGets(all: Tab[], conversation: string, texts: string[]): Promise<void> {
  for (const tab of all) {
    await until("all texts", () => tab.texts(conversation).length >= texts.length, { describe: () => tab.describe() });
    expect(tab.texts(conversation)).toEqual(texts);
  }
}

test("tabs share one socket, and each gets everything once", async () => {
  const conversation = unique("share");
  const begun = world.proxy.webSocketsBegun;
  // A dial that a busy machine is too slow for would be followed by another one.
  const all = await tabs(3, "visitor:share", conversation, { ...SHARED, connectTimeout: 20_000 });
  expect(world.proxy.webSocketsBegun).toBe(begun + 1);
  expect(world.proxy.webSockets).toBe(1);
  const texts = [];
  for (const [n, tab] of all.entries()) {
    await tab.send(conversation, `${n}`, `${conversation}-${n}`);
    await tab.event("acked", (id) => id === `${conversation}-${n}`);
    texts.push(`${n}`);
  }
  await everyoneGets(all, conversation, texts);
  await all[0]?.context.close();
});

test("when the leader closes, another takes over and nothing is lost", async () => {
  const conversation = unique("close");
  const all = await tabs(3, "visitor:close", conversation);
  const first = await leader(all);
  const rest = all.filter((tab) => tab !== first);
  await rest[0]?.send(conversation, "before", `${conversation}-1`);
  await rest[0]?.acked(`${conversation}-1`);
  await first.page.close();
  await rest[0]?.send(conversation, "during", `${conversation}-2`);
  await rest[1]?.send(conversation, "after", `${conversation}-3`);
  await rest[0]?.acked(`${conversation}-2`);
  await rest[1]?.acked(`${conversation}-3`);
  await leader(rest);
  await until("one socket", () => world.proxy.webSockets === 1);
  const stored = (await world.server.messages(conversation)).map(({ content }) => content?.text ?? "");
  expect([...stored].sort()).toEqual(["after", "before", "during"]);
  await everyoneGets(rest, conversation, stored);
  await first.context.close();
});

test("a leader that is hidden hands over to one that is not", async () => {
  const conversation = unique("hide");
  const all = await tabs(2, "visitor:hide", conversation);
  const first = await leader(all);
  await first.page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("another leader", async () => (await leader(all)) !== first);
  for (const [n, tab] of all.entries()) {
    await tab.send(conversation, `${n}`, `${conversation}-${n}`);
    await tab.acked(`${conversation}-${n}`);
  }
  await everyoneGets(all, conversation, ["0", "1"]);
  await first.context.close();
});

test("a leader that is frozen loses its place, and has everything once it wakes", async () => {
  const conversation = unique("freeze");
  const all = await tabs(2, "visitor:freeze", conversation);
  const first = await leader(all);
  const [second] = all.filter((tab) => tab !== first);
  if (!second) throw new Error("there are two tabs");
  const session = await first.context.newCDPSession(first.page);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  await second.send(conversation, "while it sleeps", `${conversation}-1`);
  await second.acked(`${conversation}-1`);
  await session.send("Page.setWebLifecycleState", { state: "active" });
  await first.send(conversation, "awake", `${conversation}-2`);
  await first.acked(`${conversation}-2`);
  await everyoneGets(all, conversation, ["while it sleeps", "awake"]);
  await first.context.close();
});

test("shared, a cut is survived by all tabs together", async () => {
  const conversation = unique("cut");
  const all = await tabs(2, "visitor:cut", conversation);
  const texts = [];
  for (let n = 0; n < 10; n += 1) {
    await all[n % 2]?.send(conversation, `${n}`, `${conversation}-${n}`);
    if (n % 3 === 0) await world.proxy.cut();
    await all[n % 2]?.acked(`${conversation}-${n}`);
    texts.push(`${n}`);
  }
  await everyoneGets(all, conversation, texts);
  await until("one socket", () => world.proxy.webSockets === 1);
  await all[0]?.context.close();
});
