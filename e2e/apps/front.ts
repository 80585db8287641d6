/**
 * The origin of the inbox, as the program is one: its files, `app.json`, and the API behind them. The page that was
 * built last is tested without building the program anew, which embeds it.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** The strictest policy under which the inbox works: nothing inline, nothing evaluated but WebAssembly. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' http: https:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** Serves `folder`, and passes the API on to `target`, the URL of a server or of a proxy before it. */
export class Front {
  readonly #server: Server;

  private constructor(
    private readonly folder: string,
    private readonly target: URL,
    private readonly appInfo: () => unknown,
  ) {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on("upgrade", (request, socket: Socket, head: Buffer) => this.#upgrade(request, socket, head));
  }

  static async start(folder: string, target: string, appInfo: () => unknown): Promise<Front> {
    const front = new Front(folder, new URL(target), appInfo);
    await new Promise<void>((resolve) => front.#server.listen(0, "127.0.0.1", resolve));
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(incoming.url ?? "/", this.url);
    if (pathname.startsWith("/v1/")) return this.#pass(incoming, response);
    if (pathname === "/app.json") {
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
      response.end(JSON.stringify(this.appInfo()));
      return;
    }
    const asked = join(this.folder, normalize(pathname));
    const isPage = extname(pathname) === "";
    const file = isPage ? join(this.folder, "index.html") : asked;
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "cache-control": isPage ? "no-store" : "public, max-age=31536000, immutable",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
    });
    response.end(readFileSync(file));
  }

  #pass(incoming: IncomingMessage, response: ServerResponse): void {
    const { hostname, port } = this.target;
    const outgoing = request(
      { hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    // A cut behind the front is a cut before it.
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  #upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): void {
    const { hostname, port } = this.target;
    const behind = connect(Number(port), hostname);
    const lines = incoming.rawHeaders.flatMap((value, at, all) => (at % 2 === 0 ? [`${value}: ${all[at + 1]}`] : []));
    behind.write([`GET ${incoming.url} HTTP/1.1`, ...lines, "", ""].join("\r\n"));
    behind.write(head);
    behind.pipe(socket);
    socket.pipe(behind);
    for (const [one, other] of [
      [behind, socket],
      [socket, behind],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }
}
