/** The web server of the application: the test pages, under the policies that a test asks for, and tokens. */

import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

import { PAGES } from "./paths.js";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/** Answers a request for a token; the query says for whom. */
export type TokenSource = (query: URLSearchParams) => Promise<string>;

/** A static server on 127.0.0.1 and a free port. */
export class Site {
  readonly #server: Server;
  /** The paths that were asked for, oldest first. */
  readonly requested: string[] = [];

  private constructor(
    tokens: TokenSource,
    readonly folder: string,
  ) {
    this.#server = createServer((request, response) => void this.#answer(request, response, tokens));
  }

  /** Serves the files of `folder`. */
  static async start(tokens: TokenSource, folder = PAGES): Promise<Site> {
    const site = new Site(tokens, folder);
    await new Promise<void>((resolve) => site.#server.listen(0, "127.0.0.1", resolve));
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse, tokens: TokenSource): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    this.requested.push(url.pathname);
    if (url.pathname === "/token") {
      // A token source that fails is what some tests are about; the page sees a 503.
      const token = await tokens(url.searchParams).catch(() => undefined);
      response.writeHead(token === undefined ? 503 : 200, { "cache-control": "no-store" }).end(token);
      return;
    }
    const file = join(this.folder, normalize(url.pathname === "/" ? "/index.html" : url.pathname));
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const policy = url.searchParams.get("csp");
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      ...(policy === null ? {} : { "content-security-policy": policy }),
    });
    response.end(readFileSync(file));
  }
}
