import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    // A project is installed and built within this; a bundler takes its time on a small machine.
    testTimeout: 900_000,
    hookTimeout: 90_000,
  },
});
