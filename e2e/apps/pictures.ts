/** The pictures of the documents, taken of the binary's own pages in the midst of a conversation. */

import { createHmac } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";

import { ROOT } from "../harness/paths.js";
import type { Desk } from "./inbox-world.js";
import { Together } from "./together-world.js";
import type { Visit } from "./widget-stage.js";

const FOLDER = join(ROOT, "docs/images");
const QUALITY = 0.86;
const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

let world: Together;
beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  world = await Together.start();
  await world.agent();
});
afterAll(() => world.stop());

/** A person whom the shop knows by name, as the shop's own server says it: signed by the secret of `--dev`. */
async function known(name: string): Promise<{ token: string; identity: string }> {
  const { url, websiteId, publicKey } = world.server.ready;
  const sub = name.split(" ")[0]?.toLowerCase() ?? name;
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const claims = { sub, type: "visitor", org: "org-demo", websites: [websiteId], name, email: `${sub}@mail.example`, exp };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const identity = `${signed}.${createHmac("sha256", "dev-secret-dev-secret-dev-secret-").update(signed).digest("base64url")}`;
  const answer = await fetch(`${url}/v1/visitors`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ publicKey, identityToken: identity }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const { token } = (await answer.json()) as { token: string };
  return { token, identity };
}

/** Others who wrote before, so that the list is one of a working day. */
async function others(): Promise<void> {
  const team = await world.server.token("user", "alan");
  const say = (id: string, text: string, token: string) =>
    world.server.api("POST", `/v1/conversations/${id}/messages`, { id: `${id}-${text.length}`, content: { text } }, token);
  const assign = (id: string, assignedTeamMemberId: string) => world.server.api("PATCH", `/v1/conversations/${id}`, { assignedTeamMemberId }, team);
  for (const [name, text, assignee, answer] of [
    ["Jonas Weber", "Can I have the invoice with our company's address?", "alan", "Of course: here it is."],
    ["Mei Tanaka", "Perfect, thank you!", "alan", undefined],
    ["Liam Okafor", "Is the moss bowl coming back in stock?", "grace", undefined],
    ["Noor Haddad", "The plates are lovely. Could you make twelve of them in slate?", "grace", undefined],
    ["Sofia Rossi", "Do you deliver to Norway?", undefined, undefined],
  ] as const) {
    const { token } = await known(name);
    const id = `conv-${name.split(" ")[0]?.toLowerCase()}`;
    await world.server.api("POST", "/v1/conversations", { conversationId: id }, token);
    if (assignee) await assign(id, assignee);
    await say(id, text, token);
    if (answer) await say(id, answer, team);
  }
}

/** Writes the page in each theme, once `ready` has made it so: as WebP, by the browser itself. */
async function take(page: Page, name: string, themes: ("light" | "dark")[], ready: () => Promise<void>): Promise<void> {
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await ready();
    await page.waitForFunction(() => document.fonts.status === "loaded");
    const png = await page.screenshot({ scale: "device", caret: "initial" });
    const canvas = await world.browser.newPage();
    const webp = await canvas.evaluate(
      async ([source, quality]) => {
        const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${source}`)).blob());
        const surface = new OffscreenCanvas(picture.width, picture.height);
        surface.getContext("2d")?.drawImage(picture, 0, 0);
        const bytes = new Uint8Array(await (await surface.convertToBlob({ type: "image/webp", quality })).arrayBuffer());
        return Array.from(bytes);
      },
      [png.toString("base64"), QUALITY] as const,
    );
    await canvas.close();
    writeFileSync(join(FOLDER, `${name}-${theme}.webp`), Uint8Array.from(webp));
  }
}

/** The conversation of the pictures, up to where a person answers. */
async function converse(visit: Visit, grace: Desk): Promise<string> {
  const { identity } = await known("Ines Moreau");
  await visit.page.evaluate((token) => window.Cossistant?.identify(token), identity);
  await visit.open();
  await visit.write("Hi! How long does delivery take?");
  await visit.panel.locator(".message.other[data-delivery]", { hasText: "Everything leaves" }).waitFor();
  const id = await visit.conversationId();
  await grace.open(id);
  await visit.panel.getByRole("button", { name: "Talk to a person" }).click();
  await visit.message("A person will answer you here").waitFor();
  await grace.page.getByRole("button", { name: "Assign", exact: true }).click();
  await grace.page.getByRole("menuitemradio", { name: "Me" }).click();
  await grace.page.getByRole("button", { name: /Status:/ }).click();
  await grace.page.getByRole("menuitemradio", { name: "Open" }).click();
  await grace.send("Hello, this is Grace. What can I do for you?");
  await visit.message("this is Grace").waitFor();
  await visit.write("I ordered the water jug on Monday. Can it still go to another address?");
  await grace.message("another address").waitFor();
  return id;
}

test("pictures", async () => {
  await others();
  const alan = await world.desk("Alan");
  const grace = await world.desk("Grace", { deviceScaleFactor: 1 });
  const visit = await world.visit({ viewport: { width: 1280, height: 860 } });
  const id = await converse(visit, grace);
  await alan.open(id);
  await grace.page.getByTestId("viewers").waitFor();
  // What is being written is forgotten after a while, so it goes on before each picture.
  await visit.field.pressSequentially("It is the flat of my sister, around the co", { delay: 20 });
  const rest = ["r", "n"];
  await take(grace.page, "inbox", ["light", "dark"], async () => {
    await visit.field.pressSequentially(rest.shift() ?? "");
    await grace.page.getByTestId("preview").getByText("around the cor").waitFor();
  });
  await take(visit.page, "widget", ["light", "dark"], async () => {
    await grace.field.pressSequentially("Of course", { delay: 20 });
    await visit.panel.locator(".writing").first().waitFor();
  });
  const phone = await world.visit(PHONE);
  await phone.open();
  await phone.write("Can I pay by invoice?");
  await phone.panel.locator(".message.other[data-delivery]", { hasText: "on invoice" }).waitFor();
  await take(phone.page, "widget-phone", ["light"], async () => undefined);
});
