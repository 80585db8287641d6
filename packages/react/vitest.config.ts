import { defineConfig } from "vitest/config";

const fileOf = (path: string) => new URL(path, import.meta.url).pathname;
const react18 = (name: string) => fileOf(`../react-18/node_modules/${name}`);

const test = {
  include: ["test/**/*.test.{ts,tsx}"],
  environment: "happy-dom",
  environmentOptions: {
    // Servers of tests answer pages of any origin.
    happyDOM: { url: "http://localhost:3000", settings: { fetch: { disableSameOriginPolicy: true } } },
  },
  setupFiles: ["test/harness/setup.ts"],
  // Each test waits for what it needs; this only ends one that hangs.
  testTimeout: 30_000,
};

export default defineConfig({
  test: {
    // A renderer and a server for each file; two at once are what a small machine carries.
    maxWorkers: 2,
    projects: [
      { test: { ...test, name: "react-19" } },
      {
        resolve: {
          alias: {
            react: react18("react"),
            "react-dom": react18("react-dom"),
            // Bundled, in the form that can be, so that it gets this React too.
            "@testing-library/react/pure": fileOf(
              "../../node_modules/@testing-library/react/dist/@testing-library/react.pure.esm.js",
            ),
          },
        },
        test: {
          ...test,
          name: "react-18",
          exclude: ["test/package/**"],
          server: { deps: { inline: [/@testing-library\/react/] } },
        },
      },
    ],
  },
});
