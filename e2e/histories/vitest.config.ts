import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    globalSetup: ["../harness/setup.ts"],
    // The histories themselves have deadlines; this is for a hundred of them.
    testTimeout: 3_600_000,
    hookTimeout: 90_000,
    // What failed is told before its pages are closed.
    sequence: { hooks: "list" },
  },
});
