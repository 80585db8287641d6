/** A visitor in the widget and the team in the inbox, as the server's binary serves both. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { until } from "../harness/wait.js";
import type { Desk } from "./inbox-world.js";
import { faults, growth, Together } from "./together-world.js";
import type { Visit } from "./widget-stage.js";

let world: Together;
beforeAll(async () => {
  world = await Together.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** A visitor who has asked something, and Grace who has it open. */
async function chat(question: string): Promise<{ visit: Visit; grace: Desk; id: string }> {
  const grace = await world.desk("Grace");
  const visit = await world.visit();
  await visit.open();
  await visit.write(question);
  const id = await visit.conversationId();
  await grace.open(id);
  await grace.message(question).waitFor();
  return { visit, grace, id };
}

test("the team sees a visitor write, answers, and both see what was read", async () => {
  const { visit, grace, id } = await chat("Hello, is anybody here?");
  await visit.message("is anybody here").locator(".mark.seen").waitFor();

  const draft = "The jug that I ordered on Monday has a broken handle, what can I do now?";
  const preview = '[data-testid="preview"] .plain';
  // On a busy machine what is older than the newest text may be left out, so nothing newer comes before that is seen.
  const typing = async (): Promise<void> => {
    for (const part of draft.match(/(?:\S+\s*){1,4}/g) ?? []) {
      await visit.field.pressSequentially(part, { delay: 25 });
      await grace.page.locator(preview, { hasText: part.trim() }).waitFor();
    }
  };
  const [grown] = await Promise.all([growth(grace.page, preview, 3), typing()]);
  expect(grown.every((text) => draft.startsWith(text)), JSON.stringify(grown)).toBe(true);
  await grace.row(id).getByText("broken handle").waitFor();
  await visit.field.press("Enter");
  await grace.message("what can I do now").waitFor();
  await grace.page.getByTestId("preview").waitFor({ state: "detached" });

  await grace.field.pressSequentially("I am sorry.", { delay: 25 });
  await visit.panel.locator(".writing").first().waitFor();
  await grace.field.press("Control+Enter");
  await visit.message("I am sorry.").waitFor();
  await grace.message("I am sorry.").locator(".mark.seen").waitFor();
  await visit.message("what can I do now").locator(".mark.seen").waitFor();

  expect(await world.texts(id)).toEqual(["Hello, is anybody here?", draft, "I am sorry."]);
  expect(faults(visit, grace)).toEqual([]);
});

test("a note is for the team alone", async () => {
  const { visit, grace, id } = await chat("Can I have a discount?");
  const alan = await world.desk("Alan");
  await alan.open(id);
  await grace.page.getByRole("button", { name: "Note", exact: true }).click();
  await grace.send("She has asked twice before.");
  await alan.message("asked twice before").waitFor();
  await grace.page.getByRole("button", { name: "Reply", exact: true }).click();
  await grace.send("Not this week.");
  await visit.message("Not this week.").waitFor();
  expect(await visit.page.locator("body").innerText()).not.toContain("asked twice");
  expect(await visit.panel.textContent()).not.toContain("asked twice");
  expect(faults(visit, grace, alan)).toEqual([]);
});

test("what a visitor writes without a network waits, is seen to wait, and arrives once", async () => {
  const { visit, grace, id } = await chat("Before the tunnel.");
  await world.visitorSide.set({ type: "refuse" });
  await world.visitorSide.set({ type: "reset" });
  await visit.write("In the tunnel, one.");
  await visit.write("In the tunnel, two.");
  await visit.message("tunnel, two").locator(".mark.queued").waitFor();
  await grace.send("Are you there?");
  await grace.message("Are you there?").locator(".mark.sent").waitFor();
  await world.visitorSide.set({ type: "pass" });
  await visit.message("Are you there?").waitFor();
  await visit.message("tunnel, two").locator(".mark.seen").waitFor();
  await grace.message("tunnel, two").waitFor();
  const texts = await world.texts(id);
  expect(texts.filter((text) => text.startsWith("In the tunnel"))).toEqual(["In the tunnel, one.", "In the tunnel, two."]);
  expect(texts).toHaveLength(4);
  expect(faults(visit, grace)).toEqual([]);
});

test("the team's network fails: what they write waits, and nothing that was said meanwhile is missing", async () => {
  const { visit, grace, id } = await chat("Hello.");
  await world.teamSide.set({ type: "refuse" });
  await world.teamSide.set({ type: "reset" });
  await grace.page.getByTestId("offline-bar").waitFor();
  await grace.send("Written while offline.");
  await grace.message("Written while offline.").locator(".mark.queued").waitFor();
  for (const text of ["First.", "Second.", "Third."]) await visit.write(text);
  await visit.message("Third.").locator(".mark.sent").waitFor();
  await world.teamSide.set({ type: "pass" });
  await visit.message("Written while offline.").waitFor();
  await grace.message("Third.").waitFor();
  await grace.page.getByTestId("offline-bar").waitFor({ state: "detached" });
  expect([...(await world.texts(id))].sort()).toEqual(["First.", "Hello.", "Second.", "Third.", "Written while offline."]);
  expect(faults(visit, grace)).toEqual([]);
});

test("the server is killed and comes back: both go on where they were", async () => {
  const { visit, grace, id } = await chat("Before.");
  await grace.send("Also before.");
  await visit.message("Also before.").waitFor();
  const back = world.crash();
  await visit.write("While it was away.");
  await grace.send("I was writing, too.");
  await back;
  await grace.message("While it was away.").waitFor();
  await visit.message("I was writing, too.").waitFor();
  await grace.send("All is well again.");
  await visit.message("All is well again.").waitFor();
  const texts = await world.texts(id);
  expect(texts).toHaveLength(5);
  expect(new Set(texts).size).toBe(5);
  expect(faults(visit, grace)).toEqual([]);
});

test("two of the team in one conversation see each other, and who has it", async () => {
  const { visit, grace, id } = await chat("Who answers me?");
  const alan = await world.desk("Alan");
  await alan.open(id);
  await grace.page.getByTestId("viewers").waitFor();
  await alan.page.getByTestId("viewers").waitFor();
  await grace.field.pressSequentially("Let me", { delay: 25 });
  await alan.page.getByText("is writing").waitFor();
  await grace.page.getByRole("button", { name: "Assign", exact: true }).click();
  await grace.page.getByRole("menuitemradio", { name: "Me" }).click();
  await alan.page.getByRole("button", { name: /Grace.*assignee/ }).waitFor();
  await grace.field.press("Control+Enter");
  await alan.message("Let me").waitFor();
  await visit.message("Let me").waitFor();
  await alan.send("And I help, too.");
  await grace.message("And I help, too.").waitFor();
  await visit.message("And I help, too.").waitFor();
  expect(await visit.panel.locator(".message.other .name").allTextContents()).toEqual(["Grace Hopper", "Alan Turing"]);
  expect(faults(visit, grace, alan)).toEqual([]);
});

test("a reload in the middle loses nothing on either side", async () => {
  const { visit, grace, id } = await chat("Do not forget me.");
  await grace.send("I will not.");
  await visit.message("I will not.").waitFor();
  await grace.field.fill("A draft that is not sent yet");
  await visit.page.reload();
  await grace.page.reload();
  await grace.message("Do not forget me.").waitFor();
  await until("the draft is there again", async () => (await grace.field.inputValue()) === "A draft that is not sent yet");
  // The panel opens again by itself; a click while it is on its way would close it.
  await visit.field.waitFor();
  await visit.message("I will not.").waitFor();
  expect(await visit.conversationId()).toBe(id);
  await visit.write("Still here.");
  await grace.message("Still here.").waitFor();
  await grace.field.press("Control+Enter");
  await visit.message("A draft that is not sent yet").waitFor();
  expect(await world.texts(id)).toEqual(["Do not forget me.", "I will not.", "Still here.", "A draft that is not sent yet"]);
  expect(faults(visit, grace)).toEqual([]);
});

test("the AI agent answers while both watch it write, and hands over to a person who asks for one", async () => {
  await world.agent();
  const { visit, grace, id } = await chat("Hi!");
  await visit.panel.locator(".message.other[data-delivery]", { hasText: "Ask me about delivery" }).waitFor();
  // Its first draft is gone on both sides, so that what grows is the second.
  await grace.page.locator("article.message:not(.preview)", { hasText: "Ask me about delivery" }).waitFor();
  await visit.write("I would like to return a mug. How does that go?");
  const [seenByVisitor, seenByTeam] = await Promise.all([
    growth(visit.page, ".message.writing .bubble.draft", 2),
    growth(grace.page, '[data-testid="preview"].ours .plain', 2),
  ]);
  await visit.panel.locator(".message.other[data-delivery]", { hasText: "within thirty days" }).waitFor();
  const text = (await world.texts(id)).at(-1) ?? "";
  for (const drafts of [seenByVisitor, seenByTeam]) {
    expect(drafts.every((draft) => text.startsWith(draft)), JSON.stringify(drafts)).toBe(true);
  }
  await grace.page.getByRole("button", { name: /FAQ assistant.*assignee/ }).waitFor();

  await visit.panel.getByRole("button", { name: "Talk to a person" }).click();
  await visit.message("A person will answer you here").waitFor();
  await grace.page.getByRole("button", { name: /Status: Pending/ }).waitFor();
  await grace.page.getByRole("button", { name: "Assign", exact: true }).waitFor();
  await grace.message("wishes to talk to a person").waitFor();
  await visit.write("How long does delivery take?");
  await grace.send("I have read it all. How can I help?");
  await visit.message("How can I help?").waitFor();
  expect((await world.texts(id)).filter((said) => said.startsWith("Everything leaves"))).toEqual([]);
  expect(faults(visit, grace)).toEqual([]);
});

test("the widget is right on a page with hostile styles, and on one with a strict policy", async () => {
  const grace = await world.desk("Grace");
  const hostile = await world.visitCustomer("<style>* { all: unset !important }</style>");
  const strict = await world.visitCustomer("", "default-src 'none'; script-src SERVER; connect-src SERVER; img-src SERVER https:");
  for (const [name, visit] of Object.entries({ hostile, strict })) {
    const size = async () => {
      const box = await visit.launcher.boundingBox();
      return `${box?.width} × ${box?.height}`;
    };
    // It appears by growing.
    await until(`${name}: the button has its size`, async () => (await size()) === "56 × 56", { describe: size });
    await visit.open();
    await visit.write(`From the ${name} page.`);
    await grace.open(await visit.conversationId());
    await grace.message(`From the ${name} page.`).waitFor();
    await grace.send(`An answer to the ${name} page.`);
    await visit.message(`An answer to the ${name} page.`).waitFor();
    const panel = await visit.panel.boundingBox();
    expect(panel?.width, name).toBe(384);
  }
  expect(faults(hostile, strict, grace)).toEqual([]);
});
