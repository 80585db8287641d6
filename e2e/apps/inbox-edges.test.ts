/** Where an inbox is used otherwise than it is meant: twice at once, with others' ids, beyond its time, by odd names. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique, until } from "../harness/wait.js";
import { Desk, InboxWorld } from "./inbox-world.js";

let world: InboxWorld;
beforeAll(async () => {
  world = await InboxWorld.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

const PHONE = { width: 360, height: 740 };

/** A further tab of a browser, in which somebody signs in by a click. */
async function tabOf(desk: Desk, person: string): Promise<Desk> {
  const tab = new Desk(await desk.page.context().newPage());
  await tab.page.goto(world.front.url);
  await tab.page.getByRole("button", { name: new RegExp(person, "i") }).click();
  await tab.page.getByRole("navigation", { name: "Conversations" }).waitFor();
  return tab;
}

/** Signs in with a token of one's own. */
async function signIn(desk: Desk, token: string, isLasting = false): Promise<void> {
  await desk.page.getByLabel("with a token").fill(token);
  if (isLasting) await desk.page.getByLabel("Keep me signed in").check();
  await desk.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await desk.page.getByRole("navigation", { name: "Conversations" }).waitFor({ state: "attached" });
}

/** A person's token for these websites. */
async function tokenFor(name: string, { websites = [world.server.ready.websiteId], expiresIn = 3600, key = "" } = {}): Promise<string> {
  const sub = name.toLowerCase().replace(/\W/g, "-");
  const body = { type: "user", sub, name, websites, expiresIn };
  return (await world.server.api<{ token: string }>("POST", "/v1/tokens", body, key || undefined)).token;
}

/** A further website of an organization, of a new one unless it is named. */
async function website(organizationId?: string): Promise<{ id: string; key: string }> {
  const { adminKey } = world.server.ready as unknown as { adminKey: string };
  const make = <Answer>(path: string, body: unknown) => world.server.api<Answer>("POST", `/v1/${path}`, body, adminKey);
  const org = organizationId ?? (await make<{ id: string }>("organizations", { name: "Others" })).id;
  const { id } = await make<{ id: string }>("websites", { organizationId: org, name: "Another shop", allowedDomains: ["localhost"] });
  const { key } = await make<{ key: string }>("keys", { organizationId: org, type: "secret" });
  return { id, key };
}

/** Lets a visitor of that website say something. */
async function saidAt({ id, key }: { id: string; key: string }, conversationId: string, text: string): Promise<void> {
  const visitor = { type: "visitor", sub: unique("stranger"), websites: [id] };
  const { token } = await world.server.api<{ token: string }>("POST", "/v1/tokens", visitor, key);
  await world.server.api("POST", "/v1/conversations", { conversationId }, token);
  await world.server.api("POST", `/v1/conversations/${conversationId}/messages`, { id: "m", content: { text } }, token);
}

const isInside = async (desk: Desk, selector: string): Promise<boolean> =>
  desk.page.locator(selector).evaluateAll(
    (all) =>
      document.documentElement.scrollWidth <= innerWidth &&
      all.every((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        return width === 0 || (left >= 0 && right <= innerWidth);
      }),
  );

test("two tabs of one person show the same, and neither takes from the other", async () => {
  const ada = await world.desk({ person: "ada" });
  const [id, other] = [unique("tabs"), unique("tabs")];
  const visitor = await world.visitor(unique("tim"));
  await visitor.say(id, "first");
  await visitor.say(other, "second");
  await ada.open(id);
  const again = await tabOf(ada, "ada");
  await again.open(other);

  // One goes from tab to tab faster than drafts are written down.
  await again.field.pressSequentially("in the other");
  await again.page.evaluate(() => window.dispatchEvent(new Event("blur")));
  await ada.field.pressSequentially("in the first");
  await ada.page.evaluate(() => window.dispatchEvent(new Event("blur")));
  await again.row(id).getByText("in the first").waitFor();
  await ada.row(other).getByText("in the other").waitFor();
  expect(await again.field.inputValue()).toBe("in the other");

  await again.open(id);
  await until("the draft is the same one", async () => (await again.field.inputValue()) === "in the first");
  await ada.field.press("Control+Enter");
  await again.message("in the first").getByText("Sent").waitFor();
  await until("the draft is gone in both", async () => (await again.field.inputValue()) === "");

  // What was written without a connection goes once, whichever tab it was written in.
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  await ada.page.getByTestId("offline-bar").waitFor();
  await again.page.getByTestId("offline-bar").waitFor();
  await ada.send("from the one");
  await again.send("from the two");
  await world.proxy.set({ type: "pass" });
  for (const desk of [ada, again]) {
    for (const text of ["from the one", "from the two"]) await desk.message(text).waitFor();
    await desk.page.getByTestId("offline-bar").waitFor({ state: "detached" });
  }
  await until("both are stored", async () => (await world.server.messages(id)).length === 4);
  expect((await world.server.messages(id)).map(({ content }) => content?.text).sort()).toEqual(["first", "from the one", "from the two", "in the first"]);
});

test("two people at one browser do not write into each other's drafts", async () => {
  const ada = await world.desk({ person: "ada" });
  const id = unique("shared");
  await (await world.visitor(unique("una"))).say(id, "hello");
  const grace = await tabOf(ada, "grace");
  await ada.open(id);
  await ada.field.pressSequentially("Ada's own words");
  await ada.page.evaluate(() => window.dispatchEvent(new Event("blur")));
  await grace.open(id);
  await until("Grace sees that Ada is writing", async () => {
    // Whoever pauses is soon said to write no more.
    await ada.field.press("End");
    for (const key of ["!", "Backspace"]) await ada.field.press(key);
    return (await grace.page.getByText("Ada Lovelace is writing").count()) > 0;
  });
  expect(await grace.field.inputValue()).toBe("");
  await grace.page.goBack();
  expect(await grace.row(id).getByText("Draft:").count()).toBe(0);
  expect(await ada.field.inputValue()).toBe("Ada's own words");
});

test("who signs out is out in all tabs that shared it", async () => {
  const desk = await world.desk();
  const other = await tabOf(desk, "grace");
  await signIn(desk, await tokenFor("Zoe"), true);
  const tab = new Desk(await desk.page.context().newPage());
  await tab.page.goto(world.front.url);
  await tab.page.getByRole("navigation", { name: "Conversations" }).waitFor();
  await tab.page.getByRole("button", { name: "Demo shop" }).click();
  await tab.page.getByRole("menuitem", { name: "Sign out" }).click();
  for (const { page } of [tab, desk]) await page.getByRole("heading", { name: "Inbox", exact: true }).waitFor();
  // Grace signed in for her tab alone.
  expect(await other.page.getByRole("navigation", { name: "Conversations" }).count()).toBe(1);
});

test("ids of other organizations and other websites open nothing and tell nothing", async () => {
  const theirs = await website();
  const beside = await website("org-demo");
  const [foreign, near, own] = [unique("foreign"), unique("near"), unique("own")];
  await saidAt(theirs, foreign, "a secret of others");
  await saidAt(beside, near, "a secret next door");
  await (await world.visitor(unique("olaf"))).say(own, "our own");
  const desk = await world.desk({ size: PHONE });
  await signIn(desk, await tokenFor("Nell"));
  for (const id of [foreign, near, unique("nothing"), "x".repeat(128)]) {
    await desk.page.goto(`${world.front.url}/inbox/${id}`);
    await desk.page.getByText("There is no such conversation").waitFor();
    expect(await desk.page.locator("body").innerText()).not.toContain("secret");
    expect(await desk.page.locator("textarea").count()).toBe(0);
  }
  expect(await desk.violations()).toEqual([]);
  // There is a way out of it, on a phone too.
  await desk.page.getByRole("button", { name: "Back to the list" }).click();
  await desk.row(own).waitFor();
  expect(await desk.page.locator("body").innerText()).not.toContain("secret");
  // An address that names nothing is that of the list.
  for (const path of ["/inbox/", "/inbox/%2e%2e%2fx", `/inbox/${own}/more`]) {
    await desk.page.goto(world.front.url + path);
    await desk.row(own).waitFor();
  }
  expect(desk.problems).toEqual([]);
});

test("whoever answers for two websites sees each by itself, and the one chosen last after a reload", async () => {
  const beside = await website("org-demo");
  const [own, near] = [unique("own"), unique("near")];
  await saidAt(beside, near, "next door");
  await (await world.visitor(unique("olga"))).say(own, "our own");
  const desk = await world.desk();
  await signIn(desk, await tokenFor("Both", { websites: [world.server.ready.websiteId, beside.id] }));
  await desk.open(own);
  await desk.page.getByRole("button", { name: "Demo shop" }).click();
  await desk.page.getByRole("menuitemradio", { name: "Another shop" }).click();
  await desk.row(near).waitFor();
  expect(await desk.row(own).count()).toBe(0);
  // The conversation of the other website is not open any more.
  await desk.page.getByText("Choose a conversation").waitFor();
  await desk.page.reload();
  await desk.row(near).waitFor();
  await desk.open(near);
  await desk.message("next door").waitFor();
});

test("access that ends in the middle is told, and what was written outlives it", async () => {
  const id = unique("expiry");
  const visitor = await world.visitor(unique("ella"));
  await visitor.say(id, "hello");
  const desk = await world.desk();
  // Long enough to sign in and to begin with something, on a busy machine too.
  await signIn(desk, await tokenFor("Tess", { expiresIn: 20 }));
  await desk.open(id);
  await desk.field.fill("half an answ");
  const bar = desk.page.getByTestId("offline-bar");
  await bar.getByText("Your access has ended").waitFor();
  await desk.send("written after the end");
  await desk.message("written after the end").waitFor();
  expect(await desk.message("written after the end").getByText("Sent", { exact: true }).count()).toBe(0);
  await desk.field.fill("half an answer");
  expect(await desk.violations()).toEqual([]);
  await bar.getByRole("button", { name: "Sign in again" }).click();
  await desk.page.getByText("Your access has ended. Sign in again").waitFor();
  await signIn(desk, await tokenFor("Tess"));
  // One is where one was, with what one had begun, and what waited goes.
  await desk.message("written after the end").getByText("Sent").waitFor();
  expect(await desk.field.inputValue()).toBe("half an answer");
  expect((await world.server.messages(id)).map(({ content }) => content?.text)).toEqual(["hello", "written after the end"]);
  expect(desk.problems).toEqual([]);
});

test("a reload after the end of one's access asks for a new token, and goes on where one was", async () => {
  const id = unique("expired");
  await (await world.visitor(unique("emil"))).say(id, "hello");
  const desk = await world.desk();
  await signIn(desk, await tokenFor("Rob", { expiresIn: 20 }));
  await desk.open(id);
  await desk.page.getByTestId("offline-bar").getByText("Your access has ended").waitFor();
  await desk.page.reload();
  await desk.page.getByText("Your access has ended. Sign in again").waitFor();
  await signIn(desk, await tokenFor("Rob"));
  await desk.message("hello").waitFor();
});

test("names that are long, right to left, or nothing to see leave everything in its place on a phone", async () => {
  const names = {
    long: "W".repeat(180),
    words: "von und zu Hohenlohe-Schillingsfürst ".repeat(5).trim(),
    arabic: "محمد بن عبد الله بن عبد الرحمن آل سعود",
    turned: "\u202eevil\u202e name",
    nothing: "\u200b\u202e\u3164",
  };
  const member = await world.member(names.long, "user");
  for (const [kind, name] of Object.entries(names)) {
    const { token } = await world.server.api<{ token: string }>("POST", "/v1/tokens", {
      type: "visitor", sub: unique(kind), name, email: `${"e".repeat(60)}@${"x".repeat(60)}.example`, websites: [world.server.ready.websiteId],
    }); // prettier-ignore
    const conversationId = `name-${kind}`;
    await world.server.api("POST", "/v1/conversations", { conversationId }, token);
    await world.server.api("POST", `/v1/conversations/${conversationId}/messages`, { id: "m", content: { text: `I am ${kind}` } }, token);
    await member.change(conversationId, { assignedTeamMemberId: member.sub });
    await member.answer(conversationId, "Noted.");
  }
  const desk = await world.desk({ person: "ada", size: PHONE });
  for (const kind of Object.keys(names)) {
    await desk.row(`name-${kind}`).waitFor();
    // There is always something to call somebody by.
    expect(((await desk.row(`name-${kind}`).locator(".row-name").innerText()) ?? "").replace(/[\p{Cf}\s\u3164]/gu, ""), kind).not.toBe("");
    // The time keeps its place behind the name, whichever way that is read.
    const [name, time] = [await desk.row(`name-${kind}`).locator(".row-name").boundingBox(), await desk.row(`name-${kind}`).locator(".row-time").boundingBox()];
    expect((name?.x ?? 0) + (name?.width ?? 0), kind).toBeLessThanOrEqual(time?.x ?? 0);
  }
  expect(await isInside(desk, ".left-pane, .row, .row-time, .tab")).toBe(true);
  expect(await desk.violations()).toEqual([]);
  for (const kind of Object.keys(names)) {
    await desk.row(`name-${kind}`).click();
    await desk.message(`I am ${kind}`).waitFor();
    expect(await isInside(desk, ".thread-head, .thread-head button, .bubble, .message-name, .composer button, textarea"), kind).toBe(true);
    await desk.page.getByRole("button", { name: "Who it is" }).click();
    const panel = desk.page.getByRole("region", { name: "Visitor" });
    await panel.getByText("First seen").waitFor();
    expect(await isInside(desk, ".panel-pane, .panel-pane h2, .panel-pane dd, .panel-pane button"), kind).toBe(true);
    expect(await desk.violations(), kind).toEqual([]);
    await panel.getByRole("button", { name: "Hide who it is" }).click();
    await desk.page.getByRole("button", { name: "Back to the list" }).click();
  }
  expect(desk.problems).toEqual([]);
});

test("by the Tab key alone: everything can be reached, is seen when it is, and nobody has to pass every message", async () => {
  const id = unique("tab");
  const visitor = await world.visitor(unique("tara"));
  for (let n = 1; n <= 20; n += 1) await visitor.say(id, `message ${n}`);
  const desk = await world.desk({ person: "ada" });
  const press = (key: string) => desk.page.keyboard.press(key);
  const name = () => desk.page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  /** Goes on by Tab until what has the focus is called so. */
  const tabTo = async (wanted: RegExp, key = "Tab"): Promise<void> => {
    const passed: string[] = [];
    while (!wanted.test(passed.at(-1) ?? "")) {
      if (passed.length > 60) throw new Error(`${wanted} is not among ${passed.join(" | ")}`);
      await press(key);
      passed.push(await name());
      const seen = await desk.page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return "the focus is lost";
        const { width, height } = element.getBoundingClientRect();
        const { outlineStyle, opacity } = getComputedStyle(element);
        const hasRing = outlineStyle !== "none" || element.matches("textarea, input");
        return width > 4 && height > 4 && opacity !== "0" && hasRing ? "" : `${element.outerHTML.slice(0, 200)} cannot be seen`;
      });
      expect(seen).toBe("");
    }
  };
  await desk.row(id).waitFor();
  await tabTo(/Settings/);
  await tabTo(/Search/);
  await tabTo(/Unassigned/);
  await tabTo(/message 20/);
  await press("Enter");
  await desk.message("message 20").waitFor();
  await tabTo(/^Assign/);
  await press("Enter");
  // The focus comes to the first choice a moment after that is seen.
  await until("the first choice has the focus", async () => (await name()) === "Nobody");
  await press("ArrowDown");
  await until("the second has it", async () => (await name()).endsWith("Me"));
  await press("Enter");
  await desk.page.getByText("You took this").waitFor();
  // The focus is the menu's until it is gone.
  await desk.page.getByRole("menuitemradio").first().waitFor({ state: "detached" });
  await tabTo(/To the answer/);
  await press("Enter");
  expect(await desk.field.evaluate((field) => field === document.activeElement)).toBe(true);
  await desk.page.keyboard.type("By keys alone");
  await press("Control+Enter");
  await desk.message("By keys alone").getByText(/Sent|Seen/).waitFor();
  // Back to one's message, to edit it.
  await tabTo(/What to do with this message/, "Shift+Tab");
  await press("Enter");
  const isInMenu = () => desk.page.evaluate(() => document.activeElement?.closest("[role=menu]") !== null);
  await until("the focus is in the menu", isInMenu);
  await press("Escape");
  await desk.page.getByRole("menuitem").first().waitFor({ state: "detached" });
  await until("the focus is back", async () => (await name()) === "What to do with this message");
  await press("Enter");
  await until("the focus is in the menu again", isInMenu);
  // The first of them is copying.
  for (let chosen = await name(); chosen !== "Edit"; chosen = await name()) {
    await press("ArrowDown");
    await until("another one has the focus", async () => (await name()) !== chosen);
  }
  await press("Enter");
  await desk.page.getByRole("textbox", { name: "Edit the message" }).waitFor();
  await desk.page.keyboard.type("!");
  await press("Enter");
  await desk.message("By keys alone!").getByText("Edited").waitFor();
  expect(desk.problems).toEqual([]);
});
