/** The real server, for what only it can show. */

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./wait.js";

const BINARY = join(import.meta.dirname, "../../../../target/debug/cossistant");

/** What `--dev` signs with. */
const DEV_SECRET = "dev-secret-dev-secret-dev-secret-";

/** A server with the demo organization. */
export interface RealServer {
  readonly url: string;
  readonly wsUrl: string;
  /** A token, as the application's own server would ask for it. */
  token(type: "user" | "visitor" | "ai_agent", sub: string): Promise<string>;
  /** A token that tells who a visitor is, signed as the customer's own server would. */
  identity(sub: string): string;
  /** Kills it; the data stay. */
  kill(): Promise<void>;
  /** Starts it again, at the same address. */
  restart(): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** Starts one. */
export async function startReal(): Promise<RealServer> {
  if (!existsSync(BINARY)) throw new Error("build it first: cargo build -p cossistant");
  const folder = mkdtempSync(join(tmpdir(), "cossistant-client-"));
  const readyFile = join(folder, "ready.json");
  const start = async (listen: string) => {
    rmSync(readyFile, { force: true });
    const args = ["serve", "--dev", "--listen", listen, "--data", join(folder, "data"), "--ready-file", readyFile];
    const child = spawn(BINARY, args, { stdio: "ignore" });
    await until("the server listens", () => existsSync(readyFile));
    const ready: { url: string; wsUrl: string } = JSON.parse(readFileSync(readyFile, "utf8"));
    const kill = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    };
    return { ready, kill };
  };
  let running = await start("127.0.0.1:0");
  const { url, wsUrl } = running.ready;
  return {
    url,
    wsUrl,
    async token(type, sub) {
      const response = await fetch(`${url}/v1/tokens`, {
        method: "POST",
        headers: { Authorization: "Bearer sk_dev", "Content-Type": "application/json" },
        body: JSON.stringify({ type, sub, websites: ["website-123"] }),
      });
      const { token } = (await response.json()) as { token: string };
      return token;
    },
    identity: (sub) => {
      const exp = Math.floor(Date.now() / 1_000) + 3_600;
      const claims = { sub, type: "visitor", org: "org-demo", websites: ["website-123"], exp };
      const parts = [{ alg: "HS256", typ: "JWT" }, claims].map((part) =>
        Buffer.from(JSON.stringify(part)).toString("base64url"),
      );
      const signature = createHmac("sha256", DEV_SECRET).update(parts.join(".")).digest("base64url");
      return [...parts, signature].join(".");
    },
    kill: () => running.kill(),
    async restart() {
      running = await start(new URL(url).host);
    },
    async stop() {
      await running.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
