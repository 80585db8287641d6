/** Anonymous visitors: who they are outlives reloads, and a token that is refused does not lock anybody out. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { type Tab, World } from "../harness/world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** Who the server says that a tab is. */
async function who(tab: Tab): Promise<string> {
  return until("an identity", () => tab.page.evaluate(() => window.app.client.getSnapshot().identity?.userId));
}

const ANONYMOUS = { publicKey: "pk_dev" };

test("21: a visitor is the same after a reload and in another tab, and reads their conversation", async () => {
  const conversation = unique("visitor");
  const tab = await world.open({ config: ANONYMOUS, conversations: [conversation] });
  await tab.connected();
  const visitor = await who(tab);
  await tab.send(conversation, "hello", `${conversation}-1`);
  await tab.acked(`${conversation}-1`);

  await tab.page.reload();
  await tab.connected();
  expect(await who(tab)).toBe(visitor);

  const second = await world.open({ config: ANONYMOUS, conversations: [conversation], context: tab.context });
  await second.connected();
  expect(await who(second)).toBe(visitor);
  await until("the list", () => second.page.evaluate((id) => window.app.shown(id).length === 1, conversation));

  const stranger = await world.open({ config: ANONYMOUS });
  await stranger.connected();
  expect(await who(stranger)).not.toBe(visitor);
});

test("21: a token that is refused is dropped, and a new visitor begins", async () => {
  const tab = await world.open({ config: ANONYMOUS });
  await tab.connected();
  const visitor = await who(tab);
  // As after a loss of the server's secrets, or a revocation.
  const changed = await tab.page.evaluate(() => {
    const kept = Object.keys(localStorage).filter((name) => localStorage.getItem(name)?.includes("."));
    for (const name of kept) localStorage.setItem(name, localStorage.getItem(name)?.replace(/\.[^."]+(?="?$)/, ".broken") ?? "");
    return kept.length;
  });
  expect(changed).toBe(1);
  await tab.page.reload();
  await tab.event("onVisitorChanged");
  await tab.connected();
  expect(await who(tab)).not.toBe(visitor);
  const next = await who(tab);
  await tab.page.reload();
  await tab.connected();
  expect(await who(tab)).toBe(next);
  expect(tab.told("onVisitorChanged")).toHaveLength(1);
});

test("21: without storage a visitor lasts as long as the page", async () => {
  const tab = await world.open({ config: { ...ANONYMOUS, visitorTokenStore: "memory" } });
  await tab.connected();
  const visitor = await who(tab);
  await world.proxy.cut();
  await tab.event("onReconnectSuccess");
  expect(await who(tab)).toBe(visitor);
  await tab.page.reload();
  await tab.connected();
  expect(await who(tab)).not.toBe(visitor);
});
