/** A stage for the widget: the real server behind a cutting proxy, a customer's site, a browser, and somebody of the team. */

import { createHmac } from "node:crypto";

import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";

import { Proxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { clear, crash, launch } from "../harness/stage.js";
import { unique, until } from "../harness/wait.js";
import { violations } from "./axe.js";
import { Teammate } from "./teammate.js";
import { Front, Shop } from "./widget-front.js";

/** How a page of the shop is opened. */
export interface VisitOptions {
  /** Attributes of the script tag, with their `data-`. */
  attributes?: Record<string, string>;
  /** What else is in the page. */
  head?: string;
  body?: string;
  csp?: string;
  reportOnly?: string;
  /** A browser profile that is there already; another tab of it. */
  context?: BrowserContext;
  browser?: BrowserContextOptions;
}

/** A visitor's page. */
export class Visit {
  /** Errors and warnings of the page. */
  readonly problems: string[] = [];
  readonly launcher: Locator;
  readonly panel: Locator;
  readonly field: Locator;

  constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {
    const widget = page.locator("cossistant-widget");
    this.launcher = widget.locator(".launcher");
    this.panel = widget.locator(".panel");
    this.field = widget.locator("textarea");
    page.on("pageerror", (error) => this.problems.push(`error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.problems.push(`${message.type()}: ${message.text()}`);
    });
  }

  /** Opens the panel, and waits until it is connected. */
  async open(): Promise<void> {
    await this.launcher.click();
    await this.field.waitFor();
    await this.connected();
  }

  /** Waits until there is a connection. */
  async connected(): Promise<void> {
    await this.panel.locator(".presence:not(.unknown)").waitFor();
  }

  async write(text: string): Promise<void> {
    await this.field.fill(text);
    await this.field.press("Enter");
  }

  /** Asks to connect now, again and again, until there is a connection. */
  async reconnect(): Promise<void> {
    await until("the connection is there again", async () => {
      // The widget may be quicker than the click.
      await this.panel.evaluate((panel) => panel.querySelector<HTMLElement>(".notice button")?.click());
      return (await this.panel.locator(".presence:not(.unknown)").count()) === 1;
    });
  }

  /** A message with this text. */
  message(text: string | RegExp): Locator {
    return this.panel.locator(".message", { hasText: text });
  }

  /** The visitor's conversation, once there is one. */
  async conversationId(): Promise<string> {
    return until("there is a conversation", () =>
      this.page.evaluate(() => {
        const name = Object.keys(localStorage).find((key) => key.startsWith("cossistant:conversation "));
        return name === undefined ? undefined : (localStorage.getItem(name) ?? undefined);
      }),
    );
  }

  /** What axe-core finds wrong with the page as it is now. */
  violations(): Promise<string[]> {
    return violations(this.page);
  }
}

/** Everything that a test plays on. */
export class Stage {
  private constructor(
    readonly server: Server,
    readonly proxy: Proxy,
    readonly front: Front,
    readonly shop: Shop,
    readonly browser: Browser,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<Stage> {
    const server = await Server.start(environment);
    const proxy = await Proxy.start(server.ready.url);
    const front = await Front.start(() => proxy.url);
    const shop = await Shop.start();
    const browser = await launch();
    return new Stage(server, proxy, front, shop, browser);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.shop.stop();
    this.front.stop();
    await this.proxy.stop();
    await this.server.stop();
  }

  /** Closes all pages and lets everything pass: the end of one test must not disturb the next. */
  clear(): Promise<void> {
    return clear(this.browser, this.proxy);
  }

  /** Ends the server as a loss of power would, and starts it again on its data. */
  crash(): Promise<void> {
    return crash(this.server, this.proxy);
  }

  /** The script tag. */
  tag(attributes: Record<string, string> = {}): string {
    const all = { "data-public-key": this.server.ready.publicKey, ...attributes };
    const text = Object.entries(all).map(([name, value]) => `${name}="${value.replace(/&/g, "&amp;").replace(/"/g, "&quot;")}"`);
    return `<script async src="${this.front.url}/widget.js" ${text.join(" ")}></script>`;
  }

  /** A page of the shop with the widget. */
  page({ attributes, head = "", body = "<h1>A shop</h1><p>Things to buy.</p>", csp, reportOnly }: VisitOptions): string {
    const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"><title>A shop</title>${head}</head><body><main>${body}</main>${this.tag(attributes)}</body></html>`;
    return this.shop.put(`/${unique("page")}`, { html, csp, reportOnly });
  }

  /** Comes to a page of the shop. */
  async visit(options: VisitOptions = {}): Promise<Visit> {
    const context = options.context ?? (await this.browser.newContext(options.browser));
    const visit = new Visit(await context.newPage(), context);
    await visit.page.goto(this.page(options));
    await visit.launcher.waitFor();
    return visit;
  }

  /** A member of the team; leaves by `leave`. */
  member(name = "Grace Hopper", type: "user" | "ai_agent" = "user"): Promise<Teammate> {
    return Teammate.connect(this.server, type, unique(type), name);
  }

  /** A token by which the customer's own server says who a visitor is. */
  async identity(person: { sub: string; name?: string; email?: string }): Promise<string> {
    const { adminKey, organizationId, websiteId } = this.server.ready as unknown as Record<"adminKey" | "organizationId" | "websiteId", string>;
    const { id, key } = await this.server.api<{ id: string; key: string }>("POST", "/v1/keys", { organizationId, type: "jwt_hs256" }, adminKey);
    const claims = { ...person, type: "visitor", org: organizationId, websites: [websiteId], exp: Math.floor(Date.now() / 1000) + 3600 };
    const text = [{ alg: "HS256", typ: "JWT", kid: id }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  }

  /** The texts of a conversation's stored messages. */
  async texts(conversationId: string): Promise<string[]> {
    return (await this.server.messages(conversationId)).map(({ content }) => content?.text ?? "");
  }
}

/** Expects a list to be empty, and shows what is in it if not. */
export function expectNone(found: readonly unknown[]): void {
  expect(found).toEqual([]);
}
