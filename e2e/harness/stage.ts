/** What every stage does: it starts a browser and watches it, ends the server as a loss of power would, and is cleared between tests. */

import { type Browser, chromium } from "playwright-core";

import { CHROMIUM } from "./paths.js";
import type { Proxy } from "./proxy.js";
import type { Server } from "./server.js";
import { until } from "./wait.js";
import { watch } from "./witness.js";

/** Nothing that the browser does on its own account may disturb a test. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser. */
export async function launch(): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  watch(browser);
  return browser;
}

/** Ends the server as a loss of power would, and starts it again on its data. */
export async function crash(server: Server, ...proxies: Proxy[]): Promise<void> {
  await server.kill();
  await server.start();
  for (const proxy of proxies) proxy.retarget(server.ready.url);
}

/** Closes all pages and lets everything pass: the end of one test must not disturb the next. */
export async function clear(browser: Browser, ...proxies: Proxy[]): Promise<void> {
  await Promise.all(browser.contexts().map((context) => context.close()));
  for (const proxy of proxies) {
    await proxy.set({ type: "pass" });
    await until("no WebSocket is left", () => proxy.webSockets === 0);
  }
}
