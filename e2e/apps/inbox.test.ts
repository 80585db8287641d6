/** The inbox as a team uses it, against the real server, over a network that fails. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { type Desk, InboxWorld } from "./inbox-world.js";

let world: InboxWorld;
beforeAll(async () => {
  world = await InboxWorld.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** In the page: these keys before the next frame, each at what has the focus then. Gives the label of what has it behind them. */
async function pressed(keys: string[]): Promise<string | null | undefined> {
  for (const key of keys) {
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await Promise.resolve();
  }
  return document.activeElement?.getAttribute("aria-label");
}

/** The texts of the messages that are shown, in order. */
const texts = (desk: Desk) => desk.page.locator("article.message .plain").allTextContents();

test("a visitor writes, the preview grows, a colleague answers, and both see marks", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("chat")];
  const visitor = await world.visitor(unique("vera"));
  await visitor.say(id, "Where is my order?");
  await ada.row(id).getByText("Where is my order?").waitFor();
  expect(await ada.row(id).locator(".unread-dot").count()).toBe(1);
  await until("the title has the number", async () => (await ada.page.title()).startsWith("(1) "));

  await ada.open(id);
  await ada.message("Where is my order?").waitFor();
  await ada.row(id).locator(".unread-dot").waitFor({ state: "detached" });
  await until("the title has no number", async () => !(await ada.page.title()).startsWith("("));
  for (const text of ["It was", "It was the blue", "It was the blue one"]) {
    visitor.type(id, text);
    await ada.page.getByTestId("preview").getByText(text, { exact: true }).waitFor();
    await ada.row(id).getByText(text, { exact: true }).waitFor();
  }
  await visitor.say(id, "It was the blue one");
  await ada.page.getByTestId("preview").waitFor({ state: "detached" });

  await visitor.subscribe(id);
  await ada.field.pressSequentially("Let me look");
  await visitor.heard("typing_indicator", ({ isTyping }) => isTyping === true);
  await ada.field.press("Control+Enter");
  await visitor.heard("new_message", ({ content }) => (content as { text: string }).text === "Let me look");
  await ada.message("Let me look").getByText("Sent").waitFor();
  visitor.see(id, 99);
  await ada.message("Let me look").getByText("Seen").waitFor();
  expect(await texts(ada)).toEqual(["Where is my order?", "It was the blue one", "Let me look"]);
  expect(ada.problems).toEqual([]);
});

test("a note stays with the team: no word and no typing of it reaches the visitor", async () => {
  const [ada, grace, id] = [await world.desk({ person: "ada" }), await world.desk({ person: "grace" }), unique("note")];
  const visitor = await world.visitor(unique("nina"));
  await visitor.say(id, "hello");
  await visitor.subscribe(id);
  await ada.open(id);
  await grace.open(id);
  await ada.page.keyboard.press("n");
  expect(await ada.field.getAttribute("aria-label")).toBe("Note for the team");
  await ada.field.pressSequentially("she is a friend of the boss");
  await ada.field.press("Control+Enter");
  await grace.message("friend of the boss").getByText("note for the team").waitFor();
  await ada.page.getByRole("button", { name: "Reply", exact: true }).click();
  await ada.send("Hello!");
  await visitor.heard("new_message", ({ content }) => (content as { text: string }).text === "Hello!");
  expect(JSON.stringify(visitor.received)).not.toContain("boss");
  const told = visitor.received.filter(({ type }) => type === "typing_indicator");
  expect(told.every(({ userId }) => userId === "ada")).toBe(true);
  // Of all typing the answer's alone was told; it was filled in at once, in one step.
  expect(told.filter(({ isTyping }) => isTyping).length).toBeLessThanOrEqual(1);
});

test("what is written while the network is cut goes once, in order, when it is back", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("cut")];
  const visitor = await world.visitor(unique("cara"));
  await visitor.say(id, "zero");
  await ada.open(id);
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  await ada.page.getByTestId("offline-bar").waitFor();
  for (const text of ["one", "two", "three"]) await ada.send(text);
  await ada.page.getByText("3 messages will be sent then").waitFor();
  await visitor.say(id, "meanwhile");
  await world.proxy.set({ type: "pass" });
  await ada.reconnect();
  await ada.message("meanwhile").waitFor();
  await ada.message("three").getByText("Sent").waitFor();
  await ada.page.getByTestId("offline-bar").waitFor({ state: "detached" });
  const stored = (await world.server.messages(id)).map(({ content }) => content?.text);
  expect(stored).toEqual(["zero", "meanwhile", "one", "two", "three"]);
  expect(await texts(ada)).toEqual(stored);
});

test("a server that is killed and comes back has everything, and the page goes on", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("kill")];
  await (await world.visitor(unique("kai"))).say(id, "before");
  await ada.open(id);
  await ada.send("acknowledged");
  await ada.message("acknowledged").getByText("Sent").waitFor();
  await world.server.kill();
  await ada.page.getByTestId("offline-bar").waitFor();
  await ada.send("while it was down");
  await world.server.start();
  world.proxy.retarget(world.server.ready.url);
  await ada.message("while it was down").getByText("Sent").waitFor();
  expect((await world.server.messages(id)).map(({ content }) => content?.text)).toEqual(["before", "acknowledged", "while it was down"]);
});

test("two colleagues see each other look, write, take and resolve", async () => {
  const [ada, grace, id] = [await world.desk({ person: "ada" }), await world.desk({ person: "grace" }), unique("two")];
  await (await world.visitor(unique("tom"))).say(id, "anybody?");
  await ada.open(id);
  await grace.open(id);
  await ada.page.getByLabel("Also open at Grace Hopper").waitFor();
  await grace.field.pressSequentially("I am on it");
  await ada.page.getByText("Grace Hopper is writing").waitFor();
  await grace.field.press("Control+Enter");
  await ada.message("I am on it").getByText("Grace Hopper").waitFor();
  await ada.page.getByText("Grace Hopper is writing").waitFor({ state: "detached" });

  await grace.page.getByRole("region", { name: "Messages" }).focus();
  await grace.page.keyboard.press("a");
  await ada.page.getByText("Grace Hopper took this").waitFor();
  await grace.page.getByText("You took this").waitFor();
  await grace.page.getByRole("button", { name: "Mine" }).click();
  await grace.row(id).waitFor();
  await ada.page.getByRole("button", { name: "Unassigned" }).click();
  await ada.row(id).waitFor({ state: "detached" });

  await grace.page.getByRole("region", { name: "Messages" }).focus();
  await grace.page.keyboard.press("e");
  const undo = grace.page.getByRole("button", { name: "Undo" });
  // While somebody points at it, it does not go.
  await undo.hover();
  await ada.page.getByText("Grace Hopper resolved this").waitFor();
  await undo.click();
  await ada.page.getByText("Grace Hopper opened this again").waitFor();
  await grace.page.context().close();
  await ada.page.getByTestId("viewers").waitFor({ state: "detached" });
});

test("one edits and deletes one's own messages, by mouse and by keyboard", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("edit")];
  const visitor = await world.visitor(unique("eve"));
  await visitor.say(id, "hm");
  await visitor.subscribe(id);
  await ada.open(id);
  await ada.send("Your order wil come");
  await ada.message("wil come").getByText("Sent").waitFor();
  await ada.field.press("ArrowUp");
  const edit = ada.page.getByRole("textbox", { name: "Edit the message" });
  expect(await edit.inputValue()).toBe("Your order wil come");
  await edit.fill("Your order will come");
  await edit.press("Enter");
  await ada.message("will come").getByText("Edited").waitFor();
  await until("the focus is back in the composer", () => ada.field.evaluate((field) => field === document.activeElement));
  await visitor.heard("message_updated", ({ content }) => (content as { text: string }).text === "Your order will come");
  // Whoever gives it up writes on at once: no key falls between the field that goes and the composer.
  await ada.field.press("ArrowUp");
  await edit.waitFor();
  expect(await ada.page.evaluate(pressed, ["Escape"])).toBe(await ada.field.getAttribute("aria-label"));

  await ada.message("will come").hover();
  await ada.message("will come").getByRole("button", { name: "What to do" }).click();
  await ada.page.getByRole("menuitem", { name: "Delete" }).click();
  await ada.page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await ada.page.getByText("This message was deleted").waitFor();
  await visitor.heard("message_updated", ({ deleted }) => deleted === true);
});

test("a reload in the middle keeps who is signed in, the draft, and what was not sent yet", async () => {
  const [ada, id, other] = [await world.desk({ person: "ada" }), unique("reload"), unique("other")];
  await (await world.visitor(unique("rita"))).say(id, "first");
  await (await world.visitor(unique("otto"))).say(other, "second");
  await ada.open(id);
  await ada.field.fill("half a sen");
  await ada.open(other);
  expect(await ada.field.inputValue()).toBe("");
  await ada.row(id).getByText("half a sen").waitFor();
  await ada.open(id);
  expect(await ada.field.inputValue()).toBe("half a sen");

  await ada.open(other);
  await world.proxy.set({ type: "blackHole" });
  await ada.send("kept over the reload");
  await ada.message("kept over the reload").waitFor();
  await world.proxy.set({ type: "pass" });
  await world.proxy.cut();
  await ada.page.reload();
  await ada.message("kept over the reload").getByText("Sent").waitFor();
  await ada.open(id);
  expect(await ada.field.inputValue()).toBe("half a sen");
  expect((await world.server.messages(other)).map(({ content }) => content?.text)).toEqual(["second", "kept over the reload"]);
});

test("the keyboard alone is enough, and the focus is never lost", async () => {
  const ids = ["k1", "k2", "k3"].map(unique);
  const ada = await world.desk({ person: "ada" });
  for (const id of ids) await (await world.visitor(unique("kim"))).say(id, `in ${id}`);
  const [last = "", middle = "", first = ""] = [...ids].reverse();
  // Each is asked for by itself, and may come before the one above it.
  for (const id of ids) await ada.row(id).waitFor();
  const press = (key: string) => ada.page.keyboard.press(key);
  const isOpen = (id: string) => ada.page.waitForURL(`**/inbox/${id}`);
  await press("j");
  await isOpen(last);
  await press("j");
  await isOpen(middle);
  await press("j");
  await isOpen(first);
  await press("k");
  await isOpen(middle);
  await press("r");
  await ada.page.keyboard.type("jkre are letters here");
  expect(await ada.field.inputValue()).toBe("jkre are letters here");
  await press("Control+Enter");
  // Once it is stored the list knows of it, too.
  await ada.message("are letters here").getByText("Sent").waitFor();
  expect(await ada.field.evaluate((field) => field === document.activeElement)).toBe(true);
  await press("Escape");
  await press("?");
  await ada.page.getByRole("dialog", { name: "Keys" }).waitFor();
  await press("j");
  await isOpen(middle);
  await press("Escape");
  await ada.page.getByRole("dialog").waitFor({ state: "detached" });
  await press("/");
  await ada.page.keyboard.type(`in ${first}`);
  await ada.row(last).waitFor({ state: "detached" });
  await press("ArrowDown");
  expect(await ada.row(first).evaluate((row) => row === document.activeElement)).toBe(true);
  await press("/");
  await press("Escape");
  await press("Escape");
  await ada.row(last).waitFor();
  await press("Escape");
  await ada.page.waitForURL((url) => url.pathname === "/");
  // The one that was answered is the first by now.
  await ada.row(middle).focus();
  await press("ArrowDown");
  await isOpen(last);
  await until("the focus followed", () => ada.row(last).evaluate((row) => row === document.activeElement));
  // Whoever goes on to write at once is not called back to the list.
  expect(await ada.page.evaluate(pressed, ["ArrowDown", "r"])).toMatch(/^Answer/);
  await isOpen(first);
  await ada.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  expect(await ada.field.evaluate((field) => field === document.activeElement)).toBe(true);
  await ada.row(first).focus();
  await press("Shift+D");
  await ada.page.getByRole("button", { name: /WebSocket: connected/ }).waitFor();
});

test("canned replies: called by a slash, chosen by the keyboard, written in their window", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("canned")];
  await (await world.visitor(unique("carl"))).say(id, "hi");
  await ada.open(id);
  await ada.page.getByRole("button", { name: "Canned replies" }).click();
  await ada.page.getByRole("button", { name: "New canned reply" }).click();
  await ada.page.getByLabel("Name").fill("Refund Done");
  await ada.page.getByLabel("Text").fill("{name}, your money is on its way.");
  await ada.page.getByRole("button", { name: "Keep" }).click();
  await until("the reply that was kept has the focus", () =>
    ada.page.evaluate(() => document.activeElement?.textContent?.startsWith("/refund-done") === true));
  await ada.page.keyboard.press("Escape");
  await ada.page.getByRole("dialog").waitFor({ state: "detached" });
  await ada.field.pressSequentially("So: /ref");
  await ada.page.getByRole("option", { name: "refund-done" }).waitFor();
  await ada.field.press("Enter");
  await until("it stands there", async () => /^So: Visitor \w+, your money is on its way\.$/.test(await ada.field.inputValue()));
  // In the middle of a text what is written next goes behind it, however soon.
  await ada.field.fill("/ref Bye");
  for (let n = 0; n < " Bye".length; n += 1) await ada.field.press("ArrowLeft");
  await ada.page.getByRole("option", { name: "refund-done" }).waitFor();
  const behind = await ada.field.evaluate(async (field: HTMLTextAreaElement) => {
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    await Promise.resolve();
    return field.value.slice(field.selectionStart);
  });
  expect(behind).toBe(" Bye");
  await ada.field.fill("/");
  await ada.field.press("ArrowDown");
  await ada.field.press("Escape");
  await ada.page.getByTestId("canned").waitFor({ state: "detached" });
  expect(await ada.field.inputValue()).toBe("/");
  await ada.page.reload();
  await ada.page.getByRole("button", { name: "Canned replies" }).click();
  await ada.page.getByText("/refund-done").waitFor();
});

test("one reads where one is: nothing that comes moves it, and a button tells of what is new", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("scroll")];
  const visitor = await world.visitor(unique("sam"));
  for (let n = 1; n <= 130; n += 1) await visitor.say(id, `message ${n}${" and more".repeat(n % 7)}`);
  await visitor.subscribe(id);
  await ada.open(id);
  const scroller = ada.page.getByTestId("timeline");
  // Read from the beginning of what is new; the page was opened there.
  await ada.page.getByRole("separator", { name: "New messages" }).waitFor();
  await ada.page.getByRole("button", { name: /new messages|newest/ }).click();
  const isAtEnd = () => scroller.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2);
  await until("at the end", isAtEnd);
  await ada.row(id).locator(".unread-dot").waitFor({ state: "detached" });
  // An open one has no dot anyway; what was not read would be new again.
  await visitor.heard("conversation_seen");
  await ada.page.reload();
  await ada.message("message 130").waitFor();
  await until("at the end after a reload", isAtEnd);
  await visitor.say(id, "comes at the end");
  await ada.message("comes at the end").waitFor();
  await until("still at the end", isAtEnd);

  const placeOf = (text: string) => ada.page.getByText(text, { exact: true }).evaluate((element) => element.getBoundingClientRect().top);
  await until("one reads above the end", async () => {
    // What is rendered before the list hears that it was scrolled leaves it at its end.
    await scroller.evaluate((box) => (box.scrollTop = box.scrollHeight - box.clientHeight - 300));
    return ada.page.getByRole("button", { name: "To the newest messages" }).isVisible();
  });
  const seen = await scroller.evaluate((box) => {
    const top = box.getBoundingClientRect().top + 100;
    const found = [...box.querySelectorAll("article.message .plain")].find((text) => text.getBoundingClientRect().top > top);
    return found?.textContent ?? "";
  });
  const before = await placeOf(seen);
  await visitor.say(id, "comes while one reads");
  await ada.page.getByRole("button", { name: "1 new message", exact: true }).waitFor();
  expect(Math.abs((await placeOf(seen)) - before)).toBeLessThan(1);

  // Older ones come above, and nothing moves.
  for (const scrollTop of [450, 0]) {
    const count = await ada.page.locator("article.message").count();
    const [oldest, top] = await scroller.evaluate((box, scrollTop) => {
      box.scrollTop = scrollTop;
      const edge = box.getBoundingClientRect().top;
      const found = [...box.querySelectorAll("article.message .plain")].find((text) => text.getBoundingClientRect().top > edge);
      return [found?.textContent ?? "", found?.getBoundingClientRect().top ?? 0] as const;
    }, scrollTop);
    await until("older ones are there", async () => (await ada.page.locator("article.message").count()) > count);
    expect(await scroller.evaluate((box) => box.scrollTop), `from ${scrollTop}`).toBeGreaterThan(900);
    expect(Math.abs((await placeOf(oldest)) - top), `from ${scrollTop}`).toBeLessThan(2);
  }
  await ada.page.getByRole("button", { name: "1 new message", exact: true }).click();
  await until("at the end again", isAtEnd);
});

test("filters, search and counts", async () => {
  const [ada, id, word] = [await world.desk({ person: "ada" }), unique("filter"), unique("zebra").replace(/\W/g, "")];
  await (await world.visitor(unique("fay"))).say(id, `I want a ${word}`);
  // It counts with what is said, not with its row.
  await ada.row(id).getByText(word).waitFor();
  const open = async (): Promise<number> => Number(/\d+/.exec((await ada.page.getByRole("button", { name: /^Open/ }).textContent()) ?? "")?.[0] ?? 0);
  const before = await until("open ones are counted", async () => (await open()) || undefined);
  await ada.page.getByLabel("Search conversations").fill(word);
  await until("one is found", async () => (await ada.page.locator("[data-conversation]").count()) === 1);
  await ada.page.getByRole("button", { name: "Clear the search" }).click();
  await ada.page.getByLabel("Search conversations").fill("nothingatall");
  await ada.page.getByText("Nothing here has").waitFor();
  await ada.page.getByRole("button", { name: "Clear the search" }).first().click();
  await ada.open(id);
  await ada.page.getByRole("button", { name: "Status:" }).click();
  await ada.page.getByRole("menuitemradio", { name: "Pending" }).click();
  await ada.row(id).waitFor({ state: "detached" });
  await until("one less is open", async () => (await open()) === before - 1);
  await ada.page.getByRole("button", { name: /^Pending/ }).click();
  await ada.row(id).waitFor();
  await ada.page.reload();
  await ada.row(id).waitFor();
});

test("notifications are shown once they are wanted, for what one does not look at", async () => {
  const [id, other] = [unique("bell"), unique("seen")];
  const ada = await world.desk({ context: { permissions: ["notifications"] } });
  await ada.page.evaluate(() => {
    const shown: string[] = [];
    Object.assign(globalThis, { shown });
    class Fake extends EventTarget {
      static permission = "granted";
      static requestPermission = async () => "granted";
      onclick = null;
      constructor(title: string, { body }: { body: string }) {
        super();
        shown.push(`${title}: ${body}`);
      }
      close() {}
    }
    Object.assign(globalThis, { Notification: Fake });
  });
  await ada.page.getByRole("button", { name: /ada/i }).click();
  const visitor = await world.visitor(unique("bea"));
  await visitor.say(other, "before it was wanted");
  await ada.row(other).waitFor();
  await ada.page.getByRole("button", { name: "Settings" }).click();
  await ada.page.getByRole("switch", { name: /Notifications/ }).check();
  await ada.page.keyboard.press("Escape");
  await ada.page.evaluate(() => {
    document.hasFocus = () => false;
    window.dispatchEvent(new Event("blur"));
  });
  await visitor.say(id, "is anybody there?");
  const shown = await until("it is shown", () => ada.page.evaluate(() => (globalThis as unknown as { shown: string[] }).shown.length > 0 && (globalThis as unknown as { shown: string[] }).shown));
  expect(shown).toEqual([expect.stringMatching(/^Visitor \w+: is anybody there\?$/)]);
});

test("an attachment by its address is sent, and a visitor's picture waits for a click", async () => {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("file")];
  const visitor = await world.visitor(unique("finn"));
  const asked: string[] = [];
  await ada.page.route("https://pictures.example/**", (route) => {
    asked.push(route.request().url());
    return route.fulfill({ contentType: "image/svg+xml", body: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>' });
  });
  await visitor.say(id, { attachments: [{ id: "1", url: "https://pictures.example/a.png", type: "image/png", name: "a.png" }] });
  await ada.open(id);
  await ada.page.getByText("a.png").first().waitFor();
  expect(asked).toEqual([]);
  await ada.page.getByRole("button", { name: "Show a.png" }).click();
  await ada.page.getByRole("img", { name: "a.png" }).waitFor();
  // Its place is there before it is asked for.
  await until("it is asked for", () => asked.length > 0);
  expect(asked).toEqual(["https://pictures.example/a.png"]);

  await visitor.subscribe(id);
  await ada.page.getByRole("button", { name: "Attach a file by its address" }).click();
  const address = ada.page.getByLabel("Address of the file or image");
  await address.fill("javascript:alert(1)");
  await address.press("Enter");
  await ada.page.getByText("An address begins with").waitFor();
  await address.fill("https://files.example/manual.pdf");
  await address.press("Enter");
  await ada.page.getByText("manual.pdf").waitFor();
  await ada.field.press("Control+Enter");
  const told = await visitor.heard("new_message", ({ senderType }) => senderType === "user");
  expect(told["content"]).toMatchObject({ attachments: [{ url: "https://files.example/manual.pdf", type: "application/pdf" }] });
});

test("the panel says who the visitor is, and what else they have asked", async () => {
  const [id, earlier, name] = [unique("panel"), unique("earlier"), unique("pia")];
  const visitor = await world.visitor(name, "https://shop.example/shoes?size=38");
  await visitor.say(earlier, "an earlier question");
  await visitor.say(id, "a new question");
  const ada = await world.desk({ person: "ada" });
  await ada.open(id);
  const panel = ada.page.getByRole("region", { name: "Visitor" });
  await panel.getByText("shop.example/shoes?size=38").waitFor();
  await panel.getByRole("link", { name: "an earlier question" }).click();
  await ada.page.waitForURL(`**/inbox/${earlier}`);
  await ada.page.getByRole("region", { name: "Messages" }).press("p");
  await panel.waitFor({ state: "detached" });
});

test("what could not be loaded is asked for again by a click, and when there is a connection again", async () => {
  const [id, name] = [unique("again"), unique("vera")];
  const visitor = await world.visitor(name, "https://shop.example/hats");
  await visitor.say(id, "a question");
  const ada = await world.desk({ person: "ada" });
  let isBroken = true;
  await ada.page.route("**/v1/visitors/*", (route) => (isBroken ? route.abort() : route.fallback()));
  await ada.open(id);
  const panel = ada.page.getByRole("region", { name: "Visitor" });
  await panel.getByText("could not be loaded").waitFor();
  isBroken = false;
  await panel.getByRole("button", { name: "Try again" }).click();
  await panel.getByText("shop.example/hats").waitFor();

  isBroken = true;
  await ada.page.reload();
  await panel.getByText("could not be loaded").waitFor();
  isBroken = false;
  await world.proxy.set({ type: "reset" });
  await world.proxy.set({ type: "pass" });
  await panel.getByText("shop.example/hats").waitFor();
});

test("a screen reader is told of a lost connection and of its return, and of all that is said", async () => {
  const id = unique("said");
  const visitor = await world.visitor(unique("uma"));
  await visitor.say(id, "first");
  const ada = await world.desk({ person: "ada", path: `/inbox/${id}` });
  await ada.message("first").waitFor();
  const [status, announcer] = [ada.page.getByTestId("connection-status"), ada.page.getByTestId("announcer")];
  expect(await status.textContent()).toBe("");
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  await until("the loss is said", async () => (await status.textContent()) === "The server cannot be reached.");
  await world.proxy.set({ type: "pass" });
  await ada.reconnect();
  await until("the return is said", async () => (await status.textContent()) === "The connection is there again.");
  await visitor.say(id, "second");
  await until("it is said", async () => (await announcer.textContent())?.endsWith(": second"));
});

test("single keys can be switched off", async () => {
  const id = unique("keys");
  const visitor = await world.visitor(unique("kim"));
  await visitor.say(id, "a question");
  const ada = await world.desk({ person: "ada", path: `/inbox/${id}` });
  await ada.message("a question").waitFor();
  await ada.page.getByRole("button", { name: "Settings" }).click();
  await ada.page.getByRole("switch", { name: /^Single keys/ }).click();
  await ada.page.keyboard.press("Escape");
  await ada.page.getByRole("dialog").waitFor({ state: "detached" });
  const messages = ada.page.getByRole("region", { name: "Messages" });
  await messages.press("r");
  await messages.press("?");
  expect(await ada.field.evaluate((field) => field === document.activeElement)).toBe(false);
  // What says what a button does names no key that does nothing.
  await ada.page.getByRole("button", { name: "Keys" }).hover();
  expect(await ada.page.locator(".tip").innerText()).toBe("Keys");
  expect(await ada.page.getByRole("dialog").count()).toBe(0);
  await ada.page.reload();
  await ada.message("a question").waitFor();
  await messages.press("r");
  expect(await ada.field.evaluate((field) => field === document.activeElement)).toBe(false);
  await ada.page.getByRole("button", { name: "Settings" }).click();
  await ada.page.getByRole("switch", { name: /^Single keys/ }).click();
  await ada.page.keyboard.press("Escape");
  await ada.page.getByRole("dialog").waitFor({ state: "detached" });
  await messages.press("r");
  await until("the field has the focus", () => ada.field.evaluate((field) => field === document.activeElement));
});

test("who signs in after another one sees and sends nothing that was left unsent", async () => {
  const id = unique("left");
  const visitor = await world.visitor(unique("lea"));
  await visitor.say(id, "a question");
  const desk = await world.desk({ person: "ada", path: `/inbox/${id}` });
  await desk.message("a question").waitFor();
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  await desk.page.getByTestId("offline-bar").waitFor();
  await desk.send("never sent");
  await desk.field.fill("half a draft");
  await desk.message("never sent").waitFor();
  await desk.page.locator(".website-button").click();
  await desk.page.getByRole("menuitem", { name: "Sign out" }).click();
  await world.proxy.set({ type: "pass" });
  await desk.page.getByRole("button", { name: /Grace/ }).click();
  await desk.message("a question").waitFor();
  expect(await desk.field.inputValue()).toBe("");
  await desk.send("Grace's own");
  await desk.message("Grace's own").getByText("Sent").waitFor();
  // A connection lingers for a moment; if hers came back in it, she sent it herself.
  const { messages } = await world.server.api<{ messages: { senderId: string; content: { text?: string } }[] }>(
    "GET",
    `/v1/conversations/${id}/messages`,
    undefined,
    await world.server.token("user", "judge"),
  );
  expect(messages.filter(({ senderId }) => senderId === "grace").map(({ content }) => content.text)).toEqual(["Grace's own"]);
  expect(await desk.page.getByText("Waiting for the connection").count()).toBe(0);
});

test("a token of one's own signs in, and stays for the tab", async () => {
  const desk = await world.desk();
  const field = desk.page.getByLabel("with a token");
  await field.fill(await world.server.token("visitor", "mallory"));
  await desk.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await desk.page.getByText("not one of a team member").waitFor();
  const { token } = await world.server.api<{ token: string }>("POST", "/v1/tokens", { type: "user", sub: "zoe", name: "Zoe", websites: ["*"] });
  await field.fill(token);
  await desk.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await desk.page.getByText("Say which one").waitFor();
  await desk.page.getByLabel("Website").fill(world.server.ready.websiteId);
  await desk.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor();
  await desk.page.reload();
  await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor();
  await desk.page.getByRole("button", { name: "Demo shop" }).click();
  await desk.page.getByRole("menuitem", { name: "Sign out" }).click();
  await desk.page.getByRole("heading", { name: "Inbox" }).waitFor();
  await desk.page.reload();
  await desk.page.getByRole("heading", { name: "Inbox" }).waitFor();
});
