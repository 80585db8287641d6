import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** The server that `npm run dev` asks; `cossistant serve --dev` listens there. */
const SERVER = process.env["COSSISTANT_URL"] ?? "http://127.0.0.1:8787";

export default defineConfig({
  plugins: [react(), preloadFont()],
  build: {
    target: "es2023",
    // What is inlined as a `data:` URL would need an exception in the page's policy.
    assetsInlineLimit: 0,
    // Every browser that this target names knows it by itself.
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/v1": SERVER, "/app.json": SERVER, "/demo": SERVER, "/ws": { target: SERVER, ws: true } },
  },
  test: { include: ["test/**/*.test.{ts,tsx}"], environment: "happy-dom" },
});

/** Asks for the font beside the script instead of after the styles: text is painted once, in its own face. */
function preloadFont(): Plugin {
  return {
    name: "preload-font",
    apply: "build",
    transformIndexHtml(_, { bundle = {} }) {
      const font = Object.keys(bundle).find((file) => /inter-latin-wght-normal.*\.woff2$/.test(file));
      if (!font) return [];
      const attrs = { rel: "preload", as: "font", type: "font/woff2", crossorigin: "", href: `/${font}` };
      return [{ tag: "link", attrs, injectTo: "head" }];
    },
  };
}
