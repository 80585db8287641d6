/**
 * Both apps at once, as the server's own binary serves them: the shop with the widget, and the inbox. The visitor and
 * the team have a cutting proxy each, so that either side's network can fail alone.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { ROOT, SERVER } from "../harness/paths.js";
import { Proxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { clear, crash, launch } from "../harness/stage.js";
import { PATIENCE, until } from "../harness/wait.js";
import { Desk } from "./inbox-world.js";
import { Shop } from "./widget-front.js";
import { Visit } from "./widget-stage.js";

/** The example agent, beside the server. */
const AGENT = join(dirname(SERVER), "faq-agent");

/** What a browser tells of losses that a test makes on purpose. */
const LOSS = /net::ERR_|WebSocket connection to|status of 5\d\d|Failed to (load resource|fetch)/;

/** The server, both proxies, a customer's site, and a browser. */
export class Together {
  readonly #agents: ChildProcess[] = [];

  private constructor(
    readonly browser: Browser,
    readonly server: Server,
    readonly visitorSide: Proxy,
    readonly teamSide: Proxy,
    readonly site: Shop,
  ) {}

  static async start(): Promise<Together> {
    const server = await Server.start();
    const page = await (await fetch(server.ready.url)).text();
    if (!page.includes("/assets/")) throw new Error("the server was built without the apps; run `cargo xtask e2e`");
    const visitorSide = await Proxy.start(server.ready.url);
    const teamSide = await Proxy.start(server.ready.url);
    const browser = await launch();
    return new Together(browser, server, visitorSide, teamSide, await Shop.start());
  }

  async stop(): Promise<void> {
    await this.#dismissAgents();
    await this.browser.close();
    this.site.stop();
    await this.visitorSide.stop();
    await this.teamSide.stop();
    await this.server.stop();
  }

  /** Closes all pages, ends the agents, and lets everything pass. */
  async clear(): Promise<void> {
    await this.#dismissAgents();
    await clear(this.browser, this.visitorSide, this.teamSide);
  }

  /** Ends the server as a loss of power would, and starts it again on its data. */
  crash(): Promise<void> {
    return crash(this.server, this.visitorSide, this.teamSide);
  }

  /** A visitor comes to the demo shop. */
  async visit(options: BrowserContextOptions = {}): Promise<Visit> {
    return this.#arrive(`${this.visitorSide.url}/demo`, options);
  }

  /** A visitor comes to a page of a customer's that carries the script tag; `csp` may name the server as `SERVER`. */
  async visitCustomer(head: string, csp?: string): Promise<Visit> {
    const source = this.visitorSide.url;
    const tag = `<script async src="${source}/widget.js" data-public-key="${this.server.ready.publicKey}"></script>`;
    const html =
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>A customer's page</title>${head}</head><body><main><h1>A shop</h1><p>Things to buy.</p></main>${tag}</body></html>`;
    const policy = csp?.replaceAll("SERVER", `${source} ${this.visitorSide.wsUrl.replace(/\/ws$/, "")}`);
    return this.#arrive(this.site.put("/customer", { html, csp: policy }), {});
  }

  async #arrive(url: string, options: BrowserContextOptions): Promise<Visit> {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    const visit = new Visit(await context.newPage(), context);
    await visit.page.goto(url);
    await visit.launcher.waitFor();
    return visit;
  }

  /** Somebody of the team signs in with one click. */
  async desk(person: "Grace" | "Alan", options: BrowserContextOptions = {}): Promise<Desk> {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const desk = new Desk(await context.newPage());
    await desk.page.goto(`${this.teamSide.url}/`);
    await desk.page.getByRole("button", { name: new RegExp(person) }).click();
    await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor();
    return desk;
  }

  /** Starts the example agent, and waits until it is among the team. */
  async agent(): Promise<void> {
    if (!existsSync(AGENT)) throw new Error(`${AGENT} is missing; run \`cargo xtask e2e\``);
    const { url, websiteId, secretKey } = this.server.ready;
    const faq = join(ROOT, "examples/faq-agent/faq.md");
    const child = spawn(AGENT, ["--url", url, "--website", websiteId, "--faq", faq], {
      env: { ...process.env, FAQ_AGENT_KEY: secretKey },
      stdio: "ignore",
    });
    this.#agents.push(child);
    const token = await this.server.token("user", "judge");
    await until("the agent is online", async () => {
      const path = `/v1/websites/${websiteId}/members`;
      const { members } = await this.server.api<{ members: { userId: string; online: boolean }[] }>("GET", path, undefined, token);
      return members.some(({ userId, online }) => userId === "faq-agent" && online);
    });
  }

  async #dismissAgents(): Promise<void> {
    for (const child of this.#agents.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      await new Promise((resolve) => {
        child.once("exit", resolve);
        child.kill("SIGTERM");
      });
    }
  }

  /** The texts of a conversation's stored messages, in order. */
  async texts(conversationId: string): Promise<string[]> {
    return (await this.server.messages(conversationId)).map(({ content }) => content?.text ?? "");
  }
}

/** The problems that pages told, but for the losses that tests make. */
export function faults(...pages: { problems: string[] }[]): string[] {
  return pages.flatMap(({ problems }) => problems).filter((problem) => !LOSS.test(problem));
}

/** Waits until a text of the page, or of its widget, has grown at least `count` times, as it is written; gives what was seen. */
export function growth(page: Page, selector: string, count: number): Promise<string[]> {
  // The page itself looks, at each change: who asks from outside misses steps on a busy machine.
  return page.evaluate(
    ([selector, count, patience]) =>
      new Promise<string[]>((resolve, reject) => {
        const root = document.querySelector("cossistant-widget")?.shadowRoot ?? document;
        const seen: string[] = [];
        const look = (): void => {
          const text = root.querySelector(selector)?.textContent?.trim();
          if (text && text !== seen.at(-1)) seen.push(text);
          if (seen.length > count) resolve(seen);
        };
        new MutationObserver(look).observe(root, { subtree: true, childList: true, characterData: true });
        look();
        setTimeout(() => reject(new Error(`${selector} grows ${count} times: not within ${patience} ms; ${JSON.stringify(seen)}`)), patience);
      }),
    [selector, count, PATIENCE] as const,
  );
}
