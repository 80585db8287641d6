/**
 * Every state of the inbox, in both themes and two sizes: axe finds nothing in it, the policy forbade nothing, and no
 * page is wider than its window. With `COSSISTANT_SCREENS` the pictures are kept in that folder, to be looked at.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";

import { type Desk, InboxWorld } from "./inbox-world.js";
import type { Visitor } from "./visitor.js";

const FOLDER = process.env["COSSISTANT_SCREENS"];
const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(3);
const URL = `https://shop.example/${"very-long-path/".repeat(20)}?${"q=1&".repeat(40)}`;

// Axe takes a second for each picture, and there are many.
vi.setConfig({ testTimeout: 300_000 });

let world: InboxWorld;
let noor: Visitor;

beforeAll(async () => {
  world = await InboxWorld.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** Judges the page as it is, in both sizes and themes. */
async function judge(desk: Desk, name: string, sizes = [1440, 390]): Promise<void> {
  for (const width of sizes) {
    for (const theme of ["light", "dark"] as const) {
      await desk.page.setViewportSize({ width, height: width < 720 ? 844 : 900 });
      await desk.page.emulateMedia({ colorScheme: theme });
      expect(await desk.violations(), `${name} at ${width} px, ${theme}`).toEqual([]);
      const [wide, seen] = await desk.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      expect(wide, `${name} at ${width} px`).toBeLessThanOrEqual(seen ?? 0);
      if (FOLDER) {
        mkdirSync(FOLDER, { recursive: true });
        await desk.page.screenshot({ path: join(FOLDER, `${name}-${width}-${theme}.png`) });
      }
    }
  }
  await desk.page.setViewportSize({ width: 1440, height: 900 });
  await desk.page.emulateMedia({ colorScheme: "light" });
  expect(desk.problems, name).toEqual([]);
}

test("the first page, and an inbox with nothing in it", async () => {
  const desk = await world.desk();
  await desk.page.getByRole("heading", { name: "Inbox" }).waitFor();
  await judge(desk, "sign-in");
  await desk.page.getByLabel("with a token").fill("abc");
  await desk.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await desk.page.getByRole("alert").waitFor();
  await judge(desk, "sign-in-refused");
  await desk.page.getByRole("button", { name: /ada/i }).click();
  await desk.page.getByText("Nobody is waiting").waitFor();
  await judge(desk, "empty");
});

test("loading, and a server that does not answer", async () => {
  const desk = await world.desk({ person: "ada" });
  await desk.page.getByText("Nobody is waiting").waitFor();
  await world.proxy.set({ type: "blackHole" });
  await desk.page.getByRole("button", { name: "Resolved" }).click();
  await desk.page.getByText("Loading conversations").waitFor({ state: "attached" });
  await judge(desk, "loading");
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  await desk.page.getByText("could not be loaded").waitFor();
  await judge(desk, "list-failed", [1440]);
  await desk.page.reload();
  await desk.page.getByText("The inbox could not be loaded").waitFor();
  await judge(desk, "no-server", [390]);
  await world.proxy.set({ type: "pass" });
  await desk.page.getByRole("button", { name: "Try again" }).click();
  await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor();
});

test("a list and a thread with everything in it", async () => {
  const ada = await world.desk({ person: "ada" });
  noor = await world.visitor("noor");
  await noor.say("conv-noor", "Hi! My order 1042 has not arrived yet. Where is it?");
  await noor.say("conv-noor", "It was to be here on Tuesday 📦");
  for (const [id, text] of [
    ["liam", "Do you ship to Norway?"],
    ["mei", "The blue one in size 38, is it available? I have looked at https://shop.example/shoes/38 and it says so."],
    ["omar", "Thanks, that solved it!"],
  ] as const) {
    const visitor = await world.visitor(id);
    await visitor.say(`conv-${id}`, text);
    if (id === "omar") visitor.leave();
  }
  await ada.row("conv-omar").waitFor();
  await judge(ada, "list", [1440, 390]);

  const grace = await world.desk({ person: "grace" });
  await grace.open("conv-noor");
  await grace.send("Hi Noor, let me look that up for you.");
  await grace.message("let me look that up").getByText(/Sent|Seen/).waitFor();
  await grace.page.getByRole("button", { name: "Note", exact: true }).click();
  await grace.send("The carrier lost it last week, see their mail. Refund if she asks.");
  await ada.open("conv-noor");
  await ada.page.getByTestId("viewers").waitFor();
  await ada.page.getByRole("button", { name: "Assign", exact: true }).click();
  await ada.page.getByRole("menuitemradio", { name: "Me" }).waitFor();
  await judge(ada, "assign-menu", [1440]);
  await ada.page.getByRole("menuitemradio", { name: "Me" }).click();
  await ada.page.getByText("You took this").waitFor();
  await ada.send("It left our warehouse on Monday. I have asked the carrier, and will write to you today.");
  // What is not stored yet cannot be seen.
  await ada.message("It left our warehouse").getByText("Sent", { exact: true }).waitFor();
  const newest = noor.received.filter(({ type }) => type === "new_message").length;
  await noor.subscribe("conv-noor");
  noor.see("conv-noor", newest + 9);
  await ada.page.getByText("Seen", { exact: true }).waitFor();
  await judge(ada, "thread");

  noor.type("conv-noor", "Thank you! Could you perhaps");
  await ada.page.getByTestId("preview").getByText("Could you perhaps").waitFor();
  await ada.row("conv-noor").getByText("Could you perhaps").waitFor();
  noor.type("conv-noor", "Thank you! Could you perhaps send it again");
  await ada.page.getByTestId("preview").getByText("send it again").waitFor();
  await judge(ada, "typing", [1440]);
  await ada.page.getByRole("button", { name: "Note", exact: true }).click();
  await ada.field.fill("Careful: she has waited for a week.");
  await judge(ada, "note");
  await ada.page.getByRole("button", { name: "Reply", exact: true }).click();
  await ada.field.fill("/");
  await ada.page.getByTestId("canned").waitFor();
  await judge(ada, "canned");
  await ada.field.fill("");
});

test("windows: keys, settings, canned replies, the person, the way back", async () => {
  const desk = await world.desk({ person: "ada", path: "/inbox/conv-noor" });
  await desk.message("order 1042").waitFor();
  await desk.page.getByRole("region", { name: "Messages" }).press("?");
  await desk.page.getByRole("dialog", { name: "Keys" }).waitFor();
  await judge(desk, "keys");
  await desk.page.keyboard.press("Escape");
  await desk.page.getByRole("dialog").waitFor({ state: "detached" });
  await desk.page.getByRole("button", { name: "Settings" }).click();
  await desk.page.getByRole("dialog", { name: "Settings" }).waitFor();
  await judge(desk, "settings");
  await desk.page.keyboard.press("Escape");
  await desk.page.getByRole("dialog").waitFor({ state: "detached" });
  await desk.page.getByRole("button", { name: "Canned replies" }).click();
  await desk.page.getByRole("dialog", { name: "Canned replies" }).waitFor();
  await judge(desk, "canned-editor", [1440]);
  await desk.page.getByRole("button", { name: "New canned reply" }).click();
  await judge(desk, "canned-form", [390]);
  await desk.page.keyboard.press("Escape");
  await desk.page.goto(`${world.front.url}/inbox/conv-nowhere`);
  await desk.page.getByText("There is no such conversation").waitFor();
  await judge(desk, "not-found", [390]);
});

test("offline with a queue, a message that failed, and the end of access", async () => {
  const desk = await world.desk({ person: "ada", path: "/inbox/conv-noor" });
  await desk.message("order 1042").waitFor();
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  const bar = desk.page.getByTestId("offline-bar");
  await bar.getByText("Next try in").waitFor();
  // It is the same one over the attempts: what comes and goes with each moves the page.
  await bar.evaluate((element) => element.setAttribute("data-seen", "first"));
  await desk.send("This waits for the connection.");
  await desk.message("This waits").getByText("Waiting for the connection").waitFor();
  await desk.page.getByText("1 message will be sent then").waitFor();
  await judge(desk, "offline");
  await bar.getByText(/Next try in ([3-9]|\d\d) s/).waitFor();
  expect(await bar.getAttribute("data-seen")).toBe("first");
  await world.proxy.set({ type: "pass" });
  await desk.reconnect();
  await desk.message("This waits").getByText("Sent").waitFor();
  await bar.waitFor({ state: "detached" });

  await desk.field.fill("x".repeat(16_005));
  await desk.page.getByText("Too long by 5 characters").waitFor();
  await judge(desk, "too-long", [390]);
  // A character that the server never takes.
  await desk.field.fill("This has a character that is none: \u0000");
  await desk.field.press("Control+Enter");
  await desk.page.getByText("Not sent").waitFor();
  await judge(desk, "failed");
  await desk.page.getByRole("button", { name: "Discard" }).click();

  await world.server.api("POST", "/v1/disconnect", { userId: "ada", revoke: true });
  await bar.getByText(/You no longer have access|Your access has ended/).waitFor();
  await judge(desk, "no-access");
  await desk.page.getByTestId("offline-bar").getByRole("button", { name: "Sign in again" }).click();
  await desk.page.getByRole("heading", { name: "Inbox" }).waitFor();
});

test("long words and addresses, right to left, a large page, forced colours", async () => {
  const visitor = await world.visitor("long");
  await visitor.say("conv-long", LONG);
  await visitor.say("conv-long", `Look at ${URL} please`);
  await visitor.say("conv-long", { attachments: [{ id: "a", url: URL, type: "image/png", name: `${LONG}.png`, size: 123_456 }] });
  const arabic = await world.visitor("arabic");
  await arabic.say("conv-arabic", "مرحبا، أين طلبي رقم 1042؟ لم يصل بعد.");
  await arabic.say("conv-arabic", "שלום, this is mixed: האם זה עובד? https://shop.example");
  const desk = await world.desk({ person: "grace", path: "/inbox/conv-long" });
  await desk.message("Look at").waitFor();
  await judge(desk, "long");
  await desk.page.goto(`${world.front.url}/inbox/conv-arabic`);
  await desk.message("1042").waitFor();
  await desk.field.fill("سأبحث عن ذلك الآن");
  await judge(desk, "rtl");
  await desk.field.fill("");
  // 200 % of 1440 px.
  await judge(desk, "zoom", [720, 360]);
  await desk.page.emulateMedia({ forcedColors: "active" });
  if (FOLDER) await desk.page.screenshot({ path: join(FOLDER, "forced-1440.png") });
  expect(await desk.violations(), "forced colours").toEqual([]);
});

