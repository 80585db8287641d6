import { describe, expect, test } from "vitest";

import { shiftOf } from "../src/list/anchor.js";
import { COUNT_MAX, countPages, countText } from "../src/list/counts.js";
import { filterOf } from "../src/list/filter.js";
import { lineOf, summaryOf } from "../src/list/line.js";
import { worthARow } from "../src/list/listed.js";
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

describe("counts", () => {
  const page = (from: number, to: number, lastMessage: unknown = {}) =>
    Array.from({ length: to - from }, (_, index) => ({ conversationId: `${from + index}`, lastMessage }));
  /** Pages in order, each with a cursor to the next. */
  const reader = (pages: { conversationId: string; lastMessage: unknown }[][]) => {
    const asked: (string | null)[] = [];
    const read = async (cursor: string | null) => {
      asked.push(cursor);
      const at = Number(cursor ?? 0);
      return { conversations: pages[at] ?? [], nextCursor: at + 1 < pages.length ? `${at + 1}` : null };
    };
    return { asked, read };
  };

  test("are exact up to 999", () => {
    expect([undefined, 0, 7, 99, 100, 999, 1_000].map(countText)).toEqual(["", "", "7", "99", "100", "999", "999+"]);
  });

  test("are of all pages, and of nothing in which nothing was said", async () => {
    const { asked, read } = reader([page(0, 200), page(200, 250), page(250, 253, null)]);
    expect(await countPages(read)).toEqual({ count: 250, silent: new Set(["250", "251", "252"]), pages: 3 });
    expect(asked).toEqual([null, "1", "2"]);
  });

  test("count a conversation once that moved from page to page", async () => {
    expect((await countPages(reader([page(0, 200), page(199, 210)]).read)).count).toBe(210);
  });

  test("read no more pages than they tell of", async () => {
    const many = Array.from({ length: 50 }, (_, index) => page(index * 200, index * 200 + 200));
    const { asked, read } = reader(many);
    expect((await countPages(read)).count).toBe(COUNT_MAX + 1);
    expect(asked).toHaveLength(5);
    const silent = reader(many.map((each) => each.map(({ conversationId }) => ({ conversationId, lastMessage: null }))));
    expect((await countPages(silent.read)).count).toBe(0);
    expect(silent.asked.length).toBeLessThanOrEqual(6);
  });
});

test("a conversation in which nothing was said has a row only while somebody is at it", () => {
  const draftOf = (id: string) => (id === "begun" ? {} : undefined);
  const said = conversation({ conversationId: "said", lastMessage: message({ key: "k" }) });
  const silent = ["left", "open", "begun"].map((conversationId) => conversation({ conversationId }));
  const here = conversation({ conversationId: "here", isOnline: true });
  const typing = conversation({ conversationId: "typing", typing: [{ userId: "v", userType: "visitor" }] });
  const rows = worthARow([said, ...silent, here, typing], "open", draftOf);
  expect(rows.map(({ conversationId }) => conversationId)).toEqual(["said", "open", "begun", "here", "typing"]);
  expect(worthARow(rows, "open", draftOf)).toBe(rows);
});

test("times are as short as they can be", () => {
  const now = new Date(2026, 2, 4, 15, 0);
  expect(whenText(new Date(2026, 2, 4, 9, 5).toISOString(), now)).toMatch(/9:05/);
  expect(whenText(new Date(2026, 2, 3, 23, 0).toISOString(), now)).toMatch(/^Tue/);
  expect(whenText(new Date(2026, 1, 3).toISOString(), now)).toMatch(/Feb/);
  expect(whenText(new Date(2024, 1, 3).toISOString(), now)).toMatch(/2024/);
  expect(whenText("nonsense", now)).toBe("");
});
