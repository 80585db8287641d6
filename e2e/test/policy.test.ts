/** Pages that forbid WebAssembly, and pages that do not. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique } from "../harness/wait.js";
import { World } from "../harness/world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** Opens a page under a policy, sends a message, and gives the scripts that it fetched. */
async function scripts(csp: string | undefined): Promise<string[]> {
  const conversation = unique("policy");
  const from = world.site.requested.length;
  const tab = await world.open({ person: "visitor:policy", conversations: [conversation], ...(csp === undefined ? {} : { csp }) });
  await tab.send(conversation, "hello", `${conversation}-1`);
  await tab.acked(`${conversation}-1`);
  await tab.context.close();
  return world.site.requested.slice(from).filter((path) => path.endsWith(".js"));
}

const has = (paths: string[], name: string): boolean => paths.some((path) => path.includes(name));

test("19: without a policy the engine is WebAssembly, from inside of a script", async () => {
  const paths = await scripts(undefined);
  expect(has(paths, "inline")).toBe(true);
  expect(has(paths, "fallback")).toBe(false);
});

test("19: 'wasm-unsafe-eval' is enough", async () => {
  const paths = await scripts("script-src 'self' 'wasm-unsafe-eval'");
  expect(has(paths, "inline")).toBe(true);
  expect(has(paths, "fallback")).toBe(false);
});

test("20: where WebAssembly is forbidden, plain JavaScript takes over", async () => {
  expect(has(await scripts("script-src 'self'"), "fallback")).toBe(true);
});

test("20: the strictest policy that lets a page connect is enough", async () => {
  const csp = `default-src 'none'; script-src 'self'; connect-src 'self' ${world.proxy.url} ${world.proxy.wsUrl}`;
  expect(has(await scripts(csp), "fallback")).toBe(true);
});

test("19: what is called before the engine is there happens in order", async () => {
  const conversation = unique("early");
  const tab = await world.open({ person: "visitor:early" });
  // In the same turn as a new client is made: nothing can be loaded yet for it.
  await tab.page.evaluate(
    async ([url, id]) => {
      const token = await (await fetch("/token?type=visitor&sub=early")).text();
      const client = window.app.createClient({ url, getToken: () => token });
      client.connect();
      const acks = ["1", "2", "3"].map((text) => client.sendChatMessage(id, { text }));
      await Promise.all(acks);
      client.destroy();
    },
    [world.proxy.wsUrl, conversation] as const,
  );
  const texts = (await world.server.messages(conversation)).map(({ content }) => content?.text);
  expect(texts).toEqual(["1", "2", "3"]);
});
