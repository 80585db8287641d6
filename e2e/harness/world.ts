/** A stage: the real server behind a cutting proxy, the application's site, and a browser. */

import type { Browser, BrowserContext, Page } from "playwright-core";

import type { PageEvent, PageOptions } from "../page/options.js";
import { Proxy } from "./proxy.js";
import { Server } from "./server.js";
import { Site } from "./site.js";
import { clear, crash, launch } from "./stage.js";
import { until } from "./wait.js";

/** Delays of tests: a reconnect is quick, and still a wait. */
export const QUICK = { reconnectDelay: 100, maxReconnectDelay: 400, connectTimeout: 3_000 } as const;

/** How a page is opened. */
export interface OpenOptions extends Omit<PageOptions, "config"> {
  config?: PageOptions["config"];
  /** Which page: the bare client, or React. */
  html?: "client" | "react";
  /** The page's Content-Security-Policy. */
  csp?: string;
  /** A browser profile that is there already; another tab of it. */
  context?: BrowserContext;
  /** Dial the server and not the proxy. */
  direct?: boolean;
}

/** One page of a browser, with all that it told. */
export class Tab {
  /** What the page told, oldest first. Outlives reloads. */
  readonly events: PageEvent[] = [];
  /** Errors and warnings of the page. */
  readonly problems: string[] = [];

  constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    /** How many channels the page asks for by itself. */
    private readonly channels: number,
  ) {}

  /** What handlers of this name were called with. */
  told<Data>(name: string): Data[] {
    return this.events.filter((event) => event.name === name).map((event) => event.data as Data);
  }

  /** The texts of the messages that `onMessage` was given, in order. */
  texts(conversationId: string): string[] {
    return this.told<Received>("onMessage")
      .filter((message) => message.type === "new_message" && message.conversationId === conversationId)
      .map((message) => message.content?.text ?? "");
  }

  /** Waits for an event of this name, the `count`th of them. */
  async event<Data>(name: string, fits: (data: Data) => boolean = () => true, count = 1): Promise<Data> {
    const found = await until(
      `${count} × ${name}`,
      () => {
        const fitting = this.told<Data>(name).filter(fits);
        return fitting.length >= count && { data: fitting[count - 1] as Data };
      },
      { describe: () => this.describe() },
    );
    return found.data;
  }

  /** Waits until the connection is established and what was asked for is confirmed. */
  async connected(): Promise<void> {
    await this.page.waitForFunction((channels) => {
      const { isConnected, subscriptionStates } = window.app.client.getSnapshot();
      const states = Object.values(subscriptionStates);
      // The code that asks for them may come later than the connection.
      return isConnected && states.length >= channels && states.every(({ type }) => type === "confirmed");
    }, this.channels);
  }

  /** Sends a chat message; the answer is told as `acked` or `failed`. */
  async send(conversationId: string, text: string, id: string): Promise<void> {
    await this.page.evaluate(([c, t, i]) => window.app.send(c, t, i), [conversationId, text, id] as const);
  }

  /** Waits until a message is acknowledged. */
  async acked(id: string): Promise<void> {
    await this.event<{ id: string }>("onMessageAck", (ack) => ack.id === id);
  }

  /** The last things that happened here, for the message of a failure. */
  describe(): string {
    const isPong = ({ data }: PageEvent): boolean => (data as Received | undefined)?.type === "pong";
    const last = this.events.filter((event) => !isPong(event)).slice(-20);
    return [...last.map((event) => JSON.stringify(event).slice(0, 160)), ...this.problems].join("\n");
  }
}

interface Received {
  type: string;
  conversationId?: string;
  content?: { text?: string } | null;
}

/** Everything that a test plays on. */
export class World {
  private constructor(
    readonly browser: Browser,
    readonly server: Server,
    readonly proxy: Proxy,
    readonly site: Site,
  ) {}

  /** Starts everything; `environment` is further configuration of the server. */
  static async start(environment: Record<string, string> = {}): Promise<World> {
    const server = await Server.start(environment);
    const proxy = await Proxy.start(server.ready.url);
    const site = await Site.start((query) =>
      server.token(
        query.get("type") === "user" ? "user" : query.get("type") === "ai_agent" ? "ai_agent" : "visitor",
        query.get("sub") ?? "",
        Number(query.get("expiresIn") ?? 3600),
      ),
    );
    const browser = await launch();
    return new World(browser, server, proxy, site);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.site.stop();
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

  /** Opens a page in a browser profile of its own, unless one is given. */
  async open({ context, html = "client", csp, direct = false, config, ...rest }: OpenOptions): Promise<Tab> {
    const profile = context ?? (await this.browser.newContext());
    const page = await profile.newPage();
    const tab = new Tab(page, profile, (rest.conversations?.length ?? 0) + (rest.websites?.length ?? 0));
    await page.exposeFunction("report", (event: PageEvent) => void tab.events.push(event));
    page.on("pageerror", (error) => tab.problems.push(`error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") tab.problems.push(`${message.type()}: ${message.text()}`);
    });
    const url = direct ? this.server.ready.wsUrl : this.proxy.wsUrl;
    const options: PageOptions = { ...rest, config: { url, ...QUICK, ...config } };
    const query = new URLSearchParams({ options: JSON.stringify(options), ...(csp === undefined ? {} : { csp }) });
    await page.goto(`${this.site.url}/${html}.html?${query}`);
    return tab;
  }
}
