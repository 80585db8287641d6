/** The real server as a fixture. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { SERVER } from "./paths.js";
import { until } from "./wait.js";

/** How much of the server's output is kept, in characters. */
const OUTPUT_KEPT = 64 * 1024;

/** What the server writes once it listens. */
export interface Ready {
  url: string;
  wsUrl: string;
  websiteId: string;
  publicKey: string;
  secretKey: string;
}

/** `cossistant serve --dev` on a free port, with a data folder that outlives kills. */
export class Server {
  readonly #folder = mkdtempSync(join(tmpdir(), "cossistant-e2e-"));
  readonly #environment: Record<string, string>;
  #process: ChildProcess | undefined;
  #ready: Ready | undefined;
  #output = "";

  /** `environment` is further configuration, as `COSSISTANT_…`. */
  private constructor(environment: Record<string, string>) {
    this.#environment = environment;
  }

  static async start(environment: Record<string, string> = {}): Promise<Server> {
    const server = new Server(environment);
    await server.start();
    return server;
  }

  /** What the running server said of itself. A restart changes the addresses. */
  get ready(): Ready {
    if (!this.#ready) throw new Error("the server does not run");
    return this.#ready;
  }

  /** Starts it, again on the same data. */
  async start(): Promise<void> {
    const readyFile = join(this.#folder, "ready.json");
    rmSync(readyFile, { force: true });
    const options = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data", join(this.#folder, "data")];
    const child = spawn(SERVER, [...options, "--ready-file", readyFile], {
      env: { ...process.env, ...this.#environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (text: Buffer) => (this.#output = (this.#output + text.toString()).slice(-OUTPUT_KEPT)));
    }
    this.#ready = await until(
      "the server listens",
      () => {
        if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.#output}`);
        try {
          return JSON.parse(readFileSync(readyFile, "utf8")) as Ready;
        } catch {
          return undefined;
        }
      },
      { patience: 60_000, describe: () => this.#output },
    );
  }

  /** Ends the process as a loss of power would: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends the process and removes its data. */
  async stop(): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    this.#ready = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill(signal);
    });
  }

  /** A token, as the application's own server would ask for it. */
  async token(type: "visitor" | "user" | "ai_agent", sub: string, expiresIn = 3600): Promise<string> {
    const { websiteId } = this.ready;
    const answer = await this.api<{ token: string }>("POST", "/v1/tokens", { type, sub, websites: [websiteId], expiresIn });
    return answer.token;
  }

  /** A request under `/v1`, with the secret key unless a token is given. */
  async api<Answer>(method: string, path: string, body?: unknown, token?: string): Promise<Answer> {
    const { url, secretKey } = this.ready;
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token ?? secretKey}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    const text = await response.text();
    // What there is nothing to say of has an empty answer.
    return (text ? JSON.parse(text) : undefined) as Answer;
  }

  /** A conversation's stored messages, as the team sees them. */
  async messages(conversationId: string): Promise<StoredMessage[]> {
    const token = await this.token("user", "judge");
    const all: StoredMessage[] = [];
    for (;;) {
      const after = all.at(-1)?.seq ?? 0;
      const path = `/v1/conversations/${conversationId}/messages?limit=200&after=${after}`;
      const page = await this.api<{ messages: StoredMessage[]; hasMore: boolean }>("GET", path, undefined, token);
      all.push(...page.messages);
      if (!page.hasMore || page.messages.length === 0) return all;
    }
  }
}

/** What a test looks at of a stored message. */
export interface StoredMessage {
  seq: number;
  messageId: string;
  senderId: string;
  clientMessageId?: string;
  content: { text?: string } | null;
}
