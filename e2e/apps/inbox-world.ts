/** A stage for the inbox: the real server behind a cutting proxy, the built page under its policy, and a browser. */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { ROOT } from "../harness/paths.js";
import { Proxy } from "../harness/proxy.js";
import { Server } from "../harness/server.js";
import { clear, crash, launch } from "../harness/stage.js";
import { unique, until } from "../harness/wait.js";
import { violations } from "./axe.js";
import { Front } from "./front.js";
import { Teammate } from "./teammate.js";
import { Visitor } from "./visitor.js";

/** Colleagues who may sign in by a click. */
const PEOPLE = [
  { sub: "ada", name: "Ada Lovelace" },
  { sub: "grace", name: "Grace Hopper" },
];

/** How a page is opened. */
export interface DeskOptions {
  /** Who signs in by a click; undefined stays at the first page. */
  person?: string;
  path?: string;
  /** Another origin than that of the front: the program itself. */
  origin?: string;
  size?: { width: number; height: number };
  theme?: "light" | "dark";
  context?: BrowserContextOptions;
}

/** The browser page of one colleague. */
export class Desk {
  /** Errors of the page, and what its policy forbade. */
  readonly problems: string[] = [];

  constructor(readonly page: Page) {
    page.on("pageerror", (error) => this.problems.push(`error: ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && /Content Security Policy|Trusted|React|Maximum update/.test(text)) this.problems.push(text);
    });
  }

  /** The row of a conversation in the list. */
  row(conversationId: string) {
    return this.page.locator(`[data-conversation="${conversationId}"]`);
  }

  /** Opens a conversation from the list. */
  async open(conversationId: string): Promise<void> {
    await this.row(conversationId).click();
    await this.page.waitForURL(`**/inbox/${conversationId}`);
    await this.page.locator(".composer-text:not([aria-hidden])").waitFor();
  }

  get field() {
    return this.page.locator("textarea.composer-text");
  }

  /** Writes into the composer and sends by the keyboard. */
  async send(text: string): Promise<void> {
    await this.field.fill(text);
    await this.field.press("Control+Enter");
  }

  /** Asks to connect now, again and again, until there is a connection: by itself it may wait for half a minute. */
  async reconnect(): Promise<void> {
    await until("the connection is there again", async () => {
      // The inbox may be quicker than the click.
      await this.page.evaluate(() => document.querySelector<HTMLElement>("[data-testid=offline-bar] button")?.click());
      return (await this.page.getByTestId("offline-bar").count()) === 0;
    });
  }

  /** The message with this text. */
  message(text: string) {
    return this.page.locator("article.message", { hasText: text }).last();
  }

  /** What axe-core finds wrong with the page as it is now. */
  violations(): Promise<string[]> {
    return violations(this.page);
  }
}

/** Everything that a test of the inbox plays on. */
export class InboxWorld {
  readonly #people: { leave(): void }[] = [];

  private constructor(
    readonly browser: Browser,
    readonly server: Server,
    readonly proxy: Proxy,
    readonly front: Front,
    private readonly folder: string,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<InboxWorld> {
    const server = await Server.start(environment);
    const proxy = await Proxy.start(server.ready.url);
    // A build that goes on meanwhile must not take the files away.
    const folder = mkdtempSync(join(tmpdir(), "cossistant-inbox-"));
    cpSync(join(ROOT, "apps/inbox/dist"), folder, { recursive: true });
    const front = await Front.start(folder, proxy.url, () => ({ version: "test", dev: devOf(server) }));
    const browser = await launch();
    return new InboxWorld(browser, server, proxy, front, folder);
  }

  async stop(): Promise<void> {
    for (const person of this.#people) person.leave();
    await this.browser.close();
    this.front.stop();
    rmSync(this.folder, { recursive: true, force: true });
    await this.proxy.stop();
    await this.server.stop();
  }

  /** Closes all pages, and lets everything pass. */
  async clear(): Promise<void> {
    for (const person of this.#people.splice(0)) person.leave();
    await clear(this.browser, this.proxy);
  }

  async visitor(id: string, page?: string): Promise<Visitor> {
    const visitor = await Visitor.connect(this.server, id, page);
    this.#people.push(visitor);
    return visitor;
  }

  /** Somebody of the team without a page. */
  async member(name: string, type: "user" | "ai_agent"): Promise<Teammate> {
    const member = await Teammate.connect(this.server, type, unique(type), name);
    this.#people.push(member);
    return member;
  }

  /** Ends the server as a loss of power would, and starts it again on its data. */
  crash(): Promise<void> {
    return crash(this.server, this.proxy);
  }

  /** Opens the inbox in a browser profile of its own. */
  async desk({ person, path = "/", origin = this.front.url, size = { width: 1440, height: 900 }, theme = "light", context }: DeskOptions = {}): Promise<Desk> {
    const profile = await this.browser.newContext({ viewport: size, colorScheme: theme, ...context });
    const desk = new Desk(await profile.newPage());
    await desk.page.goto(origin + path);
    if (person === undefined) return desk;
    await desk.page.getByRole("button", { name: new RegExp(person, "i") }).click();
    await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor();
    return desk;
  }
}

function devOf(server: Server): unknown {
  const { websiteId, publicKey, secretKey } = server.ready;
  return { organizationId: "org-demo", websiteId, publicKey, secretKey, demoUrl: "/demo", people: PEOPLE };
}
