/** What a customer's pages talk to, and the customer's own site. */

import { existsSync, readFileSync } from "node:fs";
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type { Duplex } from "node:stream";

import { dist } from "../../apps/widget/build.mjs";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

/** One origin with the script tag's files, which never fail, and all else through the cutting proxy. */
export class Front {
  private constructor(
    readonly url: string,
    private readonly server: Server,
    /** Which of its files were asked for. */
    readonly requested: string[],
    private readonly sockets: Set<Duplex>,
  ) {}

  static async start(target: () => string): Promise<Front> {
    const requested: string[] = [];
    const sockets = new Set<Duplex>();
    const server = createServer((incoming, response) => {
      const { pathname } = new URL(incoming.url ?? "/", "http://front");
      const path = pathname === "/demo" ? "/demo/index.html" : pathname;
      if (/^\/(widget\.js$|widget\/|demo\/)/.test(path)) {
        requested.push(path);
        const file = join(dist, normalize(path));
        if (!existsSync(file)) return void response.writeHead(404).end();
        response.writeHead(200, {
          "content-type": TYPES[extname(file)] ?? "application/octet-stream",
          "access-control-allow-origin": "*",
          ...(path.startsWith("/demo") && { "content-security-policy": "default-src 'self'" }),
        });
        return void response.end(readFileSync(file));
      }
      const { hostname, port } = new URL(target());
      const passed = request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      passed.on("error", () => response.destroy());
      incoming.pipe(passed);
    });
    server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      const { hostname, port } = new URL(target());
      const other = connect(Number(port), hostname, () => {
        const lines = incoming.rawHeaders.flatMap((name, at, all) => (at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : []));
        other.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
        other.write(head);
        other.pipe(socket);
        socket.pipe(other);
      });
      sockets.add(socket);
      for (const [one, peer] of [[socket, other], [other, socket]] as const) {
        one.on("error", () => peer.destroy());
        one.on("close", () => {
          peer.destroy();
          sockets.delete(socket);
        });
      }
    });
    return new Front(await listening(server), server, requested, sockets);
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    stop(this.server);
  }
}

/** One page of the customer's site. */
export interface ShopPage {
  html: string;
  csp?: string | undefined;
  /** A policy that forbids nothing, but tells the page what it would have forbidden. */
  reportOnly?: string | undefined;
}

/** The customer's site: another origin, with pages that tests write. */
export class Shop {
  private readonly pages = new Map<string, ShopPage>();

  private constructor(
    readonly url: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Shop> {
    let answer: RequestListener = () => {};
    const server = createServer((incoming, response) => answer(incoming, response));
    const shop = new Shop(await listening(server), server);
    answer = (incoming, response) => {
      const page = shop.pages.get(new URL(incoming.url ?? "/", shop.url).pathname);
      if (!page) return void response.writeHead(404).end();
      response.writeHead(200, {
        "content-type": "text/html; charset=utf-8",
        ...(page.csp && { "content-security-policy": page.csp }),
        ...(page.reportOnly && { "content-security-policy-report-only": page.reportOnly }),
      });
      response.end(page.html);
    };
    return shop;
  }

  /** Puts a page there; gives its address. */
  put(path: string, page: ShopPage): string {
    this.pages.set(path, page);
    return this.url + path;
  }

  stop(): void {
    stop(this.server);
  }
}
