/** What is published, installed into fresh projects: each builds without a plugin, and chats in Chromium. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Site } from "../harness/site.js";
import { unique } from "../harness/wait.js";
import { World } from "../harness/world.js";
import { Project } from "./project.js";

const REACT_18 = "18.3.1";
const REACT_19 = "19.3.1";
/** Each bundler once, or every pair of bundler and React, and both bundlers of Next.js. */
const ALL = process.env["COSSISTANT_ALL_CONSUMERS"] === "1";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

/** Opens the application's page and exchanges a message with the team. */
async function chats(url: string): Promise<void> {
  const conversation = unique("consumer");
  const token = await world.server.token("visitor", "consumer");
  const team = await world.server.token("user", "consumer");
  const page = await world.browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  await page.goto(`${url}?${new URLSearchParams({ url: world.proxy.wsUrl, token, conversation })}`);
  await page.locator("#state", { hasText: /^connected$/ }).waitFor();
  await page.locator("input").fill("hello");
  await page.keyboard.press("Enter");
  await page.locator("li[data-delivery=sent]", { hasText: "hello" }).waitFor();
  const body = { id: unique("m"), content: { text: "welcome" } };
  await world.server.api("POST", `/v1/conversations/${conversation}/messages`, body, team);
  await page.locator("li", { hasText: "welcome" }).waitFor();
  expect(problems).toEqual([]);
  await page.close();
}

/** Serves a folder of files, as any web server would. */
async function servesStatically(folder: string, use: (url: string, site: Site) => Promise<void>): Promise<void> {
  const site = await Site.start(() => Promise.reject(new Error("no tokens here")), folder);
  await use(site.url, site);
  site.stop();
}

/** Does something with a fresh project, and removes it. */
async function inProject(template: string, react: string, use: (project: Project) => Promise<void>): Promise<void> {
  const project = await Project.install(template, react);
  try {
    await use(project);
  } finally {
    await project.remove();
  }
}

describe.each(ALL ? [REACT_19, REACT_18] : [REACT_19])("React %s", (react) => {
  test("webpack builds, and the page chats", () =>
    inProject("webpack", react, async (project) => {
      await project.run("npm", "run", "build");
      cpSync(join(project.folder, "index.html"), join(project.folder, "dist/index.html"));
      await servesStatically(join(project.folder, "dist"), chats);
    }));

  test("esbuild builds, and the page chats, with the engine inside and with its file beside", () =>
    inProject("esbuild", react, async (project) => {
      await project.run("npm", "run", "build");
      for (const page of ["index.html", "slim.html"]) cpSync(join(project.folder, page), join(project.folder, "dist", page));
      const found = await project.run("node", "--input-type=module", "--eval", 'console.log(import.meta.resolve("@cossistant/react/engine.wasm"))');
      cpSync(fileURLToPath(found.trim()), join(project.folder, "dist/engine.wasm"));
      await servesStatically(join(project.folder, "dist"), async (url, site) => {
        await chats(url);
        expect(site.requested).not.toContain("/engine.wasm");
        await chats(`${url}/slim.html`);
        expect(site.requested).toContain("/engine.wasm");
        expect(site.requested.filter((path) => path.includes("inline"))).toHaveLength(1);
      });
    }));
});

// Vite stands for React 18 in short runs too.
test.each([REACT_19, REACT_18])("Vite with React %s: the page chats in development and as built", (react) =>
  inProject("vite", react, async (project) => {
    const { url } = await project.serve("dev");
    await chats(url);
    await project.run("npm", "run", "build");
    await servesStatically(join(project.folder, "dist"), chats);
  }));

const nextBuilds = ALL ? ["build", "build:webpack"] : ["build"];
test(`Next.js builds (${nextBuilds.join(", ")}), renders on the server, and the page chats`, () =>
  inProject("next", REACT_19, async (project) => {
    for (const build of nextBuilds) {
      expect(await project.run("npm", "run", build)).not.toMatch(/warn/i);
      const { url, output } = await project.serve("start");
      const html = await (await fetch(`${url}/?${new URLSearchParams({ conversation: "c" })}`)).text();
      expect(html).toContain('<p id="state">not connected</p>');
      await chats(url);
      expect(output()).not.toMatch(/warn|error/i);
    }
  }));

test("a server imports every entry, and touches nothing of a browser", () =>
  inProject("esbuild", REACT_19, async (project) => {
    await project.run("npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "zod@4.6.7");
    const entries = ["react/websocket", "react/websocket/slim", "react/websocket/schemas", "client", "protocol", "protocol/types", "protocol/validate"];
    const code = `
      for (const entry of ${JSON.stringify(entries)}) await import("@cossistant/" + entry);
      const { createElement } = await import("react");
      const { renderToString } = await import("react-dom/server");
      const { Chat } = await import("./chat.js");
      console.log(renderToString(createElement(Chat, { conversation: "c" })));`;
    const output = await project.run("node", "--input-type=module", "--eval", code);
    expect(output).toContain('<p id="state">not connected</p>');
    expect(output).not.toMatch(/warn/i);
  }));
