import { describe, expect, test } from "vitest";

import { shiftOf } from "../src/list/anchor.js";
import { countText } from "../src/list/counts.js";
import { filterOf } from "../src/list/filter.js";
import { lineOf, summaryOf } from "../src/list/line.js";
import { createRows } from "../src/list/rows.js";
import { whenText } from "../src/list/when.js";
import { conversation, message } from "./messages.js";

const rows = (...ids: string[]) => ids.map((conversationId) => ({ conversationId, lastActivityAt: conversationId }));

describe("what one looks at stays where it is", () => {
  test("a row that comes above moves the others down by one", () => {
    expect(shiftOf(rows("a", "b", "c"), rows("new", "a", "b", "c"), 1)).toBe(1);
  });

  test("the first row in sight may go to the top itself", () => {
    const after = [{ conversationId: "b", lastActivityAt: "later" }, ...rows("a", "c")];
    expect(shiftOf(rows("a", "b", "c"), after, 1)).toBe(0);
  });

  test("one that goes away above moves them up", () => {
    expect(shiftOf(rows("a", "b", "c"), rows("b", "c"), 1)).toBe(-1);
  });

  test("nothing is said of a list that has nothing of the old one", () => {
    expect(shiftOf(rows("a", "b"), rows("x", "y"), 0)).toBe(0);
  });
});

describe("the line of a row", () => {
  const said = conversation({ conversationId: "c", lastMessage: message({ key: "k", content: { text: "a\n  b" } }) });
  const typing = { ...said, typing: [{ userId: "v", userType: "visitor", text: "I wou" }] as const };

  test("what is written now comes before a draft, and this before what was said", () => {
    expect(lineOf(typing, "draft")).toEqual({ type: "typing", text: "I wou" });
    expect(lineOf(said, "draft")).toEqual({ type: "draft", text: "draft" });
    expect(lineOf(said, " ")).toEqual({ type: "message", text: "a b", by: "visitor", isNote: false });
  });

  test("of what is written the end is shown", () => {
    const text = `${"x".repeat(300)}end`;
    expect(lineOf({ ...said, typing: [{ userId: "v", userType: "visitor", text }] }, "")).toMatchObject({ text: expect.stringMatching(/end$/) });
  });

  test("messages without text have words, too", () => {
    const attachment = { id: "1", url: "https://x.y/z.png", type: "image/png", name: "z.png" };
    expect(summaryOf({ content: { attachments: [attachment] }, isDeleted: false })).toBe("Attachment: z.png");
    expect(summaryOf({ content: { attachments: [attachment, attachment] }, isDeleted: false })).toBe("2 attachments");
    expect(summaryOf({ content: { html: "<b>bold</b> words" }, isDeleted: false })).toBe("bold words");
    expect(summaryOf({ content: null, isDeleted: true })).toBe("Message deleted");
  });
});

test("rows have neighbours, at the ends themselves", () => {
  const listed = createRows();
  expect(listed.beside("a", 1)).toBeUndefined();
  listed.put(["a", "b", "c"].map((conversationId) => conversation({ conversationId })));
  expect([listed.beside("a", 1), listed.beside("c", 1), listed.beside("a", -1)]).toEqual(["b", "c", "a"]);
  expect(listed.beside(undefined, 1)).toBe("a");
  expect(listed.get("b")?.conversationId).toBe("b");
});

test("a filter has only what is chosen", () => {
  expect(filterOf({ status: "all", assignee: "anyone" }, " ")).toEqual({});
  expect(filterOf({ status: "open", assignee: "me" }, " lost ")).toEqual({ status: "open", assignee: "me", search: "lost" });
});

test("counts end at 99", () => {
  expect([undefined, 0, 7, 99, 100].map(countText)).toEqual(["", "", "7", "99", "99+"]);
});

test("times are as short as they can be", () => {
  const now = new Date(2026, 2, 4, 15, 0);
  expect(whenText(new Date(2026, 2, 4, 9, 5).toISOString(), now)).toMatch(/9:05/);
  expect(whenText(new Date(2026, 2, 3, 23, 0).toISOString(), now)).toMatch(/^Tue/);
  expect(whenText(new Date(2026, 1, 3).toISOString(), now)).toMatch(/Feb/);
  expect(whenText(new Date(2024, 1, 3).toISOString(), now)).toMatch(/2024/);
  expect(whenText("nonsense", now)).toBe("");
});
