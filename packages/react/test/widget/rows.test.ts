// @vitest-environment node
/** Messages in groups, with days between them. */

import type { ConversationMessage } from "@cossistant/client";
import { expect, test } from "vitest";

import { dayText, isPersonAwaited, toRows } from "../../src/widget/rows.js";

let count = 0;
function message(senderId: string, createdAt: Date, more: Partial<ConversationMessage> = {}): ConversationMessage {
  count += 1;
  return {
    key: `k${count}`,
    conversationId: "c",
    content: { text: `text ${count}` },
    senderType: senderId === "me" ? "visitor" : "user",
    senderId,
    createdAt: createdAt.toISOString(),
    visibility: "public",
    delivery: "sent",
    isDeleted: false,
    isOwn: senderId === "me",
    ...more,
  };
}

/** A time of day in the reader's own zone. */
const at = (day: number, hour: number, minute: number) => new Date(2026, 2, day, hour, minute);
const shape = (messages: ConversationMessage[], firstNew?: string) =>
  toRows(messages, firstNew).map((row) => (row.type === "message" ? `${row.isFirst ? "(" : ""}${row.message.senderId}${row.isLast ? ")" : ""}` : row.type));

test("messages of one sender within minutes belong together", () => {
  const messages = [message("me", at(1, 9, 0)), message("me", at(1, 9, 4)), message("grace", at(1, 9, 5)), message("grace", at(1, 9, 30))];
  expect(shape(messages)).toEqual(["day", "(me", "me)", "(grace)", "(grace)"]);
});

test("a day begins with midnight of the reader, and what is new begins a group", () => {
  const messages = [message("grace", at(1, 23, 58)), message("grace", at(2, 0, 1)), message("grace", at(2, 0, 2))];
  expect(shape(messages)).toEqual(["day", "(grace)", "day", "(grace", "grace)"]);
  expect(shape(messages, messages[2]?.key)).toEqual(["day", "(grace)", "day", "(grace)", "new", "(grace)"]);
  expect(new Set(toRows(messages, messages[2]?.key).map(({ key }) => key)).size).toBe(6);
});

test("days are said as people say them", () => {
  const now = at(20, 12, 0).getTime();
  const say = (day: Date, language = "en") => dayText(day.toISOString(), now, language);
  expect([say(at(20, 0, 0)), say(at(19, 23, 59)), say(at(18, 1, 0))]).toEqual(["Today", "Yesterday", "Wednesday"]);
  expect(say(at(2, 1, 0))).toBe("Monday, March 2");
  expect(say(new Date(2025, 0, 5))).toBe("Sunday, January 5, 2025");
  expect([say(at(19, 1, 0), "de"), say(at(20, 1, 0), "fr"), say(at(19, 1, 0), "ar")]).toEqual(["Gestern", "Aujourd’hui", "أمس"]);
  // A clock that is a little behind does not make it tomorrow.
  expect(dayText(at(21, 0, 1).toISOString(), at(20, 23, 59).getTime(), "en")).toBe("Saturday");
});

test("a person is awaited from the asking to the first answer of one", () => {
  const asked = message("me", at(1, 9, 0), { metadata: { intent: "person" } });
  const agent = message("fern", at(1, 9, 1), { senderType: "ai_agent" });
  const person = message("grace", at(1, 9, 2));
  expect([[], [agent], [person, asked], [asked, agent], [asked, agent, person]].map(isPersonAwaited)).toEqual([false, false, true, true, false]);
});
