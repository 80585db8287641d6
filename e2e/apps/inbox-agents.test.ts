/** What an AI agent does, as the team sees it: at work, drafting, answering, handing over, and gone. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { unique } from "../harness/wait.js";
import { type Desk, InboxWorld } from "./inbox-world.js";
import type { Teammate } from "./teammate.js";
import type { Visitor } from "./visitor.js";

let world: InboxWorld;
beforeAll(async () => {
  world = await InboxWorld.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** A visitor's question that Ada has open, and an agent that hears it. */
async function asked(question: string): Promise<{ ada: Desk; fern: Teammate; visitor: Visitor; id: string }> {
  const [ada, id] = [await world.desk({ person: "ada" }), unique("agent")];
  const visitor = await world.visitor(unique("vic"));
  await visitor.say(id, question);
  await visitor.subscribe(id);
  await ada.open(id);
  await ada.message(question).waitFor();
  const fern = await world.member("Fern", "ai_agent");
  fern.say({ type: "subscribe_conversation", conversationId: id });
  await fern.heard("subscription_confirmed");
  return { ada, fern, visitor, id };
}

test("it thinks, drafts and answers, and each is shown for what it is", async () => {
  const { ada, fern, visitor, id } = await asked("Can I return a mug?");
  const activity = ada.page.locator(".agent-activity");
  const preview = ada.page.getByTestId("preview");
  fern.say({ type: "agent_activity", conversationId: id, phase: "thinking" });
  await activity.getByText("Fern: thinking").waitFor();
  fern.say({ type: "agent_activity", conversationId: id, phase: "looking", text: "Reading the terms of return" });
  await activity.getByText("Fern: Reading the terms of return").waitFor();
  expect(await activity.count()).toBe(1);
  expect(await ada.violations()).toEqual([]);

  for (const content of ["You may return", "You may return a mug within", "You may return a mug within thirty days."]) {
    fern.say({ type: "typing_progress", conversationId: id, content });
    await preview.getByText(content, { exact: true }).waitFor();
  }
  // Who drafts is not told to be thinking beside.
  expect(await activity.count()).toBe(0);
  expect(await preview.getAttribute("aria-label")).toBe("Fern is writing");
  expect(await preview.locator(".spark").count()).toBe(1);
  expect(await ada.violations()).toEqual([]);

  fern.say({ type: "agent_activity", conversationId: id, phase: "done" });
  await fern.answer(id, "You may return a mug within thirty days.");
  const answer = ada.message("within thirty days");
  await answer.getByText("Fern").waitFor();
  expect(await answer.locator(".spark").count()).toBe(1);
  await preview.waitFor({ state: "detached" });
  await activity.waitFor({ state: "detached" });
  // What it told the team alone, the visitor has not heard of.
  expect(visitor.received.filter(({ type }) => type === "agent_activity")).toEqual([]);
  expect(ada.problems).toEqual([]);
});

test("a draft that is given up goes, and so does all that it did when it is gone", async () => {
  const { ada, fern, id } = await asked("Hello?");
  fern.say({ type: "typing_progress", conversationId: id, content: "Well," });
  await ada.page.getByTestId("preview").waitFor();
  fern.say({ type: "typing_stop", conversationId: id });
  await ada.page.getByTestId("preview").waitFor({ state: "detached" });
  fern.say({ type: "agent_activity", conversationId: id, phase: "thinking" });
  fern.say({ type: "typing_progress", conversationId: id, content: "I have" });
  await ada.page.getByTestId("preview").waitFor();
  fern.leave();
  await ada.page.getByTestId("preview").waitFor({ state: "detached" });
  await ada.page.locator(".agent-activity").waitFor({ state: "detached" });
});

test("without a connection nothing is said of what it does", async () => {
  const { ada, fern, id } = await asked("Still there?");
  fern.say({ type: "agent_activity", conversationId: id, phase: "thinking" });
  await ada.page.locator(".agent-activity").waitFor();
  await ada.page.locator(".thread-presence.online").waitFor();
  await world.proxy.set({ type: "refuse" });
  await world.proxy.set({ type: "reset" });
  await ada.page.getByTestId("offline-bar").waitFor();
  expect(await ada.page.locator(".agent-activity").count()).toBe(0);
  expect(await ada.page.locator(".thread-presence.online").count()).toBe(0);
  await world.proxy.set({ type: "pass" });
  await ada.page.locator(".agent-activity").getByText("Fern: thinking").waitFor();
});

test("it takes a conversation and hands it over, and the team sees why", async () => {
  const { ada, fern, visitor, id } = await asked("I want to talk to a person");
  await fern.change(id, { assignedTeamMemberId: fern.sub });
  await ada.page.getByText("Fern took this").waitFor();
  await ada.page.getByRole("button", { name: /Fern.*assignee/ }).waitFor();
  // The list shows that a program has it.
  await ada.row(id).getByText("assigned to Fern").waitFor({ state: "attached" });
  expect(await ada.row(id).locator(".row-foot .avatar svg").count()).toBe(1);

  await fern.answer(id, "The visitor asks for a person. Nothing else is known.", "internal");
  await fern.change(id, { assignedTeamMemberId: null });
  await fern.change(id, { status: "pending" });
  await ada.page.getByText("Fern gave this back").waitFor();
  await ada.page.getByText("Fern set this to pending").waitFor();
  await ada.page.getByRole("button", { name: "Assign", exact: true }).waitFor();
  await ada.page.getByRole("button", { name: /Status: Pending/ }).waitFor();
  const note = ada.message("asks for a person");
  await note.getByText("note for the team").waitFor();
  expect(await note.locator(".spark").count()).toBe(1);
  expect(JSON.stringify(visitor.received)).not.toContain("Nothing else is known");
  expect(await ada.violations()).toEqual([]);

  // A person goes on.
  await ada.page.getByRole("region", { name: "Messages" }).focus();
  await ada.page.keyboard.press("a");
  await ada.page.getByText("You took this").waitFor();
  await ada.send("Ada here, a person. How can I help?");
  await visitor.heard("new_message", ({ senderType }) => senderType === "user");
  expect(ada.problems).toEqual([]);
});
