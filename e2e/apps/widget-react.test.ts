/** The widget as a React component, and its parts, in an application of somebody else's. */

import { join } from "node:path";

import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { ROOT } from "../harness/paths.js";
import { until } from "../harness/wait.js";
import { expectNone, Stage, Visit } from "./widget-stage.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(() => stage.clear());
afterAll(() => stage.stop());

/** A page with this application, in React's development mode, which complains of wrong use. */
async function application(source: string, csp?: string): Promise<Visit> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: join(ROOT, "e2e/apps"), loader: "tsx" },
    bundle: true,
    format: "iife",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
    nodePaths: [join(ROOT, "node_modules"), join(ROOT, "packages/react/node_modules")],
    write: false,
    logLevel: "warning",
  });
  const script = (outputFiles[0]?.text ?? "").replace(/<\/script/g, "<\\/script");
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>An application</title></head><body><main id="root"></main><script>${script}</script></body></html>`;
  const context = await stage.browser.newContext();
  const visit = new Visit(await context.newPage(), context);
  await visit.page.goto(stage.shop.put("/application", { html, csp }));
  return visit;
}

test("in StrictMode there is one widget and one socket, and nothing is left when it goes", async () => {
  const visit = await application(`
    import { SupportWidget } from "@cossistant/react/widget";
    import { StrictMode, useState } from "react";
    import { createRoot } from "react-dom/client";
    function App() {
      const [isThere, setThere] = useState(true);
      const [color, setColor] = useState("#0f766e");
      const [handle, setHandle] = useState(null);
      const [unread, setUnread] = useState(0);
      const [open, setOpen] = useState(false);
      return <>
        <button onClick={() => setThere(!isThere)}>mount</button>
        <button onClick={() => setColor("#b00020")}>paint</button>
        <button onClick={() => handle.open()} disabled={!handle}>help</button>
        <output>{String(open)} {unread}</output>
        {isThere && <SupportWidget publicKey="pk_dev" server=${JSON.stringify(stage.front.url)} color={color} name="Inline" questions={["One?"]}
          texts={{ greeting: "Hello from React", open: (n) => "Help " + n }} onReady={setHandle} onOpenChange={setOpen} onUnreadChange={setUnread} />}
      </>;
    }
    createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);
  `);
  await visit.launcher.waitFor();
  expect(await visit.page.locator("cossistant-widget").count()).toBe(1);
  expect(await visit.launcher.getAttribute("aria-label")).toBe("Help 0");
  await visit.page.getByRole("button", { name: "help", exact: true }).click();
  await visit.panel.getByText("Hello from React").waitFor();
  await visit.connected();
  expect(stage.proxy.webSockets).toBe(1);
  await visit.page.getByRole("button", { name: "paint" }).click();
  await until("the colour is another one", () => visit.launcher.evaluate((button) => getComputedStyle(button).backgroundColor === "rgb(176, 0, 32)"));
  await visit.write("From an application");
  await visit.panel.locator("[data-delivery=sent]").waitFor();
  expect(stage.proxy.webSockets).toBe(1);
  expectNone(await visit.violations());

  await visit.field.press("Escape");
  const grace = await stage.member();
  await grace.answer(await visit.conversationId(), "Seen from outside?");
  await until("the application is told", async () => (await visit.page.locator("output").textContent()) === "false 1");
  grace.leave();

  await visit.page.getByRole("button", { name: "mount" }).click();
  await until("the socket is gone", () => stage.proxy.webSockets === 0);
  expect(await visit.page.locator("cossistant-widget").count()).toBe(0);
  await visit.page.getByRole("button", { name: "mount" }).click();
  await until("the badge is back", async () => (await visit.launcher.locator(".badge").textContent()) === "1");
  expectNone(visit.problems);
});

test("parts of one's own have the same conversation", async () => {
  const visit = await application(`
    import { MessageBody, SupportProvider, toRows, useSupport } from "@cossistant/react/widget";
    import { StrictMode } from "react";
    import { createRoot } from "react-dom/client";
    const texts = { newTab: "new tab", image: (name) => name };
    function Chat() {
      const { connection, messages, send, setTyping } = useSupport();
      return <section>
        <output>{String(connection.isConnected)}</output>
        {toRows(messages).map((row) => row.type === "message" ? <article key={row.key} data-delivery={row.message.delivery}><MessageBody content={row.message.content} texts={texts} language="en" /></article> : null)}
        <button onClick={() => { setTyping("He"); void send("Hello from parts: https://a.example/"); }}>say</button>
      </section>;
    }
    createRoot(document.getElementById("root")).render(<StrictMode><SupportProvider options={{ publicKey: "pk_dev", server: ${JSON.stringify(stage.front.url)} }}><Chat /></SupportProvider></StrictMode>);
  `);
  await visit.page.locator("output", { hasText: "true" }).waitFor();
  await visit.page.getByRole("button", { name: "say" }).click();
  await visit.page.locator("article[data-delivery=sent] a").waitFor();
  expect(stage.proxy.webSockets).toBe(1);
  expect(await stage.texts(await visit.conversationId())).toEqual(["Hello from parts: https://a.example/"]);
  expectNone(visit.problems);
});
