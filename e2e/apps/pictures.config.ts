/** Takes the pictures of the documents: `cargo xtask e2e --pictures`. */

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { root: import.meta.dirname, include: ["pictures.ts"], testTimeout: 180_000, hookTimeout: 90_000, pool: "forks" },
});
