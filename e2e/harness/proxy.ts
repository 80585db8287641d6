/** A TCP proxy that can fail in every way a network does, while connections are open. */

import { type AddressInfo, createServer, type Server, Socket } from "node:net";

/** What happens to bytes and connections from now on. */
export type Mode =
  /** Everything is passed on. */
  | { type: "pass" }
  /** Connections are accepted and kept, nothing is passed on; what was sent meanwhile waits for the next mode. */
  | { type: "blackHole" }
  /** Open connections are reset, new ones as soon as they are accepted. */
  | { type: "reset" }
  /** Open connections are ended in order, new ones as soon as they are accepted. */
  | { type: "fin" }
  /** New connections are refused by the kernel; open ones pass. */
  | { type: "refuse" }
  /** Each chunk waits this many ms. */
  | { type: "delay"; delay: number }
  /** A connection is reset once this many more bytes have passed through it, both ways together. */
  | { type: "cutAfter"; bytes: number };

/** One connection with its two sides. */
class Link {
  readonly client: Socket;
  readonly server = new Socket();
  isWebSocket = false;
  /** How many bytes may yet pass before the connection is cut. */
  left = Number.POSITIVE_INFINITY;
  readonly #mode: () => Mode;
  #waiting: (() => void)[] = [];

  constructor(client: Socket, target: { host: string; port: number }, mode: () => Mode, onEnd: () => void) {
    this.client = client;
    this.#mode = mode;
    this.server.connect(target.port, target.host);
    this.#pump(this.client, this.server);
    this.#pump(this.server, this.client);
    for (const socket of [this.client, this.server]) {
      socket.setNoDelay(true);
      socket.on("close", () => {
        if (this.client.destroyed && this.server.destroyed) onEnd();
      });
    }
  }

  /** Whether its client has not gone. */
  get isOpen(): boolean {
    return !this.client.destroyed && !this.client.readableEnded;
  }

  /** Passes on what one side says, its end included: late, if need be, as a network does. */
  #pump(from: Socket, to: Socket): void {
    // One after another, so that a delayed chunk is not overtaken.
    let chain = Promise.resolve();
    const queue = (step: () => void): void => {
      const now = this.#mode();
      chain = chain.then(async () => {
        if (now.type === "delay") await new Promise((resolve) => setTimeout(resolve, now.delay));
        while (this.#mode().type === "blackHole" && !to.destroyed) {
          await new Promise<void>((resolve) => this.#waiting.push(resolve));
        }
        if (!to.destroyed) step();
      });
    };
    let isFirst = from === this.client;
    from.on("data", (chunk: Buffer) => {
      if (isFirst) this.isWebSocket = chunk.toString("latin1").startsWith("GET /ws");
      isFirst = false;
      queue(() => {
        const passed = chunk.subarray(0, this.left);
        this.left -= passed.length;
        to.write(passed, () => {
          if (this.left <= 0) this.reset();
        });
      });
    });
    from.on("end", () => queue(() => to.end()));
    from.on("error", () => queue(() => to.resetAndDestroy()));
    from.on("close", () => queue(() => to.destroySoon()));
  }

  /** Lets go of what waits for another mode. */
  wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  reset(): void {
    for (const socket of [this.client, this.server]) if (!socket.destroyed) socket.resetAndDestroy();
    this.wake();
  }

  end(): void {
    for (const socket of [this.client, this.server]) socket.end();
    this.wake();
  }
}

/** A proxy on 127.0.0.1 and a port of its own, which stays the same while its target comes and goes. */
export class Proxy {
  readonly #links = new Set<Link>();
  #server: Server | undefined;
  #mode: Mode = { type: "pass" };
  #target: { host: string; port: number };
  #port = 0;
  /** How many WebSockets were begun through it. */
  webSocketsBegun = 0;

  private constructor(target: string) {
    this.#target = parse(target);
  }

  /** Starts one before `target`, an `http:` URL. */
  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await proxy.#listen();
    return proxy;
  }

  /** The address for HTTP. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The address for WebSockets. */
  get wsUrl(): string {
    return `ws://127.0.0.1:${this.#port}/ws`;
  }

  /** How many WebSockets are open now. */
  get webSockets(): number {
    return [...this.#links].filter((link) => link.isWebSocket && link.isOpen).length;
  }

  /** Where new connections go. */
  retarget(target: string): void {
    this.#target = parse(target);
  }

  /** Changes what happens from now on. */
  async set(mode: Mode): Promise<void> {
    const wasRefusing = this.#mode.type === "refuse";
    this.#mode = mode;
    if (mode.type === "refuse") await this.#stopListening();
    else if (wasRefusing) await this.#listen();
    for (const link of this.#links) {
      if (mode.type === "reset") link.reset();
      if (mode.type === "fin") link.end();
      link.left = mode.type === "cutAfter" ? mode.bytes : Number.POSITIVE_INFINITY;
      link.wake();
    }
  }

  /** Resets what is open; new connections pass. */
  async cut(): Promise<void> {
    await this.set({ type: "reset" });
    await this.set({ type: "pass" });
  }

  async stop(): Promise<void> {
    await this.#stopListening();
    for (const link of this.#links) link.reset();
  }

  async #listen(): Promise<void> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#accept(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  async #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    // Open connections keep the callback of `close` waiting; the port is free at once.
    server?.close();
  }

  #accept(client: Socket): void {
    if (this.#mode.type === "reset") {
      client.resetAndDestroy();
      return;
    }
    if (this.#mode.type === "fin") {
      client.on("error", () => undefined);
      client.end();
      return;
    }
    const link: Link = new Link(client, this.#target, () => this.#mode, () => this.#links.delete(link));
    if (this.#mode.type === "cutAfter") link.left = this.#mode.bytes;
    this.#links.add(link);
    client.once("data", () => {
      if (link.isWebSocket) this.webSocketsBegun += 1;
    });
  }
}

function parse(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
