/** The quick start of the README, as it stands there. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";

import { startReal } from "./support/real.js";
import { until } from "./support/wait.js";

test("the quick start runs", async () => {
  const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
  const [, code = ""] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  expect(code).toContain("createClient");
  const server = await startReal();
  const folder = mkdtempSync(join(import.meta.dirname, "readme-"));
  const said: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((text: unknown) => void said.push(String(text)));
  try {
    // Only where the server and the sources are is this test's own affair; and that the client ends with it.
    const main = code
      .replace("ws://127.0.0.1:8787/ws", server.wsUrl)
      .replace('"@cossistant/client"', '"../../src/index.js"');
    writeFileSync(join(folder, "main.ts"), `${main}\nexport { client };\n`);
    const { client } = await import(/* @vite-ignore */ join(folder, "main.ts"));
    await until("stored", () => said.some((line) => line.startsWith("stored as msg_")));
    await until("heard", () => said.includes("visitor: Where is my order?"));
    expect(said).toContain("connected");
    client.destroy();
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
    await server.stop();
  }
});
