import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["test/**/*.test.ts"],
    globalSetup: ["harness/setup.ts"],
    // Each test waits for what it needs; this only ends one that hangs.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    // What failed is told before its pages are closed.
    sequence: { hooks: "list" },
    // A browser and a server for each file; two at once are what a small machine carries.
    maxWorkers: 2,
    pool: "forks",
  },
});
