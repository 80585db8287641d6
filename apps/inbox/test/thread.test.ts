import { describe, expect, test } from "vitest";

import { announcementOf } from "../src/thread/announcement.js";
import type { ThreadEvent } from "../src/thread/events.js";
import { createEventLog } from "../src/thread/events.js";
import { sentence } from "../src/thread/event-line.js";
import { layout, type Item } from "../src/thread/layout.js";
import { markOf, newestToVisitor, rightsOn } from "../src/thread/marks.js";
import { AHEAD, ALL_MAX, indexAt, partsOf, placesOf, type Space } from "../src/thread/stretch.js";
import { unreadAtEnd, unreadFrom } from "../src/thread/unread.js";
import { message, NOON } from "./messages.js";

const at = (minutes: number): string => new Date(NOON + minutes * 60_000).toISOString();
const event = (seq: number, minutes = 0): ThreadEvent => ({ seq, at: at(minutes), change: { type: "status", status: "resolved" } });

/** What stands there, in short: `[` begins a group and `]` ends one. */
const inShort = (items: readonly Item[]): string[] =>
  items.map((item) => (item.type === "message" ? `${item.isFirst ? "[" : ""}${item.key}${item.isLast ? "]" : ""}` : item.type));

describe("layout", () => {
  test("messages of one person stand in a group, until somebody else speaks or five minutes pass", () => {
    const messages = [
      message({ key: "a", seq: 1 }),
      message({ key: "b", seq: 2, createdAt: at(5) }),
      message({ key: "c", seq: 3, createdAt: at(11) }),
      message({ key: "d", seq: 4, createdAt: at(11), senderType: "user", senderId: "u" }),
      message({ key: "e", seq: 5, createdAt: at(11), senderType: "user", senderId: "u", visibility: "internal" }),
    ];
    expect(inShort(layout(messages, [], undefined))).toEqual(["day", "[a", "b]", "[c]", "[d]", "[e]"]);
  });

  test("each day begins with its line", () => {
    const messages = [message({ key: "a", seq: 1 }), message({ key: "b", seq: 2, createdAt: at(24 * 60) })];
    expect(inShort(layout(messages, [], undefined))).toEqual(["day", "[a]", "day", "[b]"]);
  });

  test("events stand at their place, and those of older messages wait for these", () => {
    const messages = [message({ key: "a", seq: 4 }), message({ key: "b", seq: 6 })];
    expect(inShort(layout(messages, [event(2), event(5), event(7)], undefined))).toEqual(["day", "[a]", "event", "[b]", "event"]);
  });

  test("what is not stored yet stands behind all events", () => {
    const messages = [message({ key: "a", seq: 1 }), message({ key: "b", delivery: "queued", isOwn: true, senderType: "user" })];
    expect(inShort(layout(messages, [event(2)], undefined))).toEqual(["day", "[a]", "event", "[b]"]);
  });

  test("the line above what is new parts a group", () => {
    const messages = [1, 2, 3].map((seq) => message({ key: `${seq}`, seq }));
    expect(inShort(layout(messages, [], 2))).toEqual(["day", "[1]", "unread", "[2", "3]"]);
  });

  test("its keys are unique", () => {
    const messages = [1, 3, 5].map((seq) => message({ key: `${seq}`, seq, createdAt: at(seq * 24 * 60) }));
    const keys = layout(messages, [event(2, 3000), event(4, 6000)], 3).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("marks", () => {
  const own = { senderType: "user", senderId: "u", isOwn: true } as const;
  const messages = [
    message({ key: "a", seq: 1, ...own }),
    message({ key: "b", seq: 2, ...own }),
    message({ key: "note", seq: 3, ...own, visibility: "internal" }),
    message({ key: "c", delivery: "sending", ...own }),
  ];

  test("the newest stored message that the visitor can read has one, and what is not stored one each", () => {
    const newest = newestToVisitor(messages);
    expect(newest).toBe("b");
    expect(messages.map((each) => markOf(each, newest, 1))).toEqual([undefined, "sent", undefined, "sending"]);
    expect(messages.map((each) => markOf(each, newest, 2))).toEqual([undefined, "seen", undefined, "sending"]);
  });

  test("one may edit one's own messages and notes, and delete what an administrator may", () => {
    const theirs = message({ key: "v", seq: 1 });
    const note = message({ key: "n", seq: 2, senderType: "user", senderId: "other", visibility: "internal" });
    const rich = message({ key: "r", seq: 3, ...own, content: { html: "<b>x</b>" } });
    expect(rightsOn(theirs, false)).toEqual({ canEdit: false, canDelete: false });
    expect(rightsOn(theirs, true)).toEqual({ canEdit: false, canDelete: true });
    expect(rightsOn(note, false)).toEqual({ canEdit: true, canDelete: true });
    expect(rightsOn(rich, false)).toEqual({ canEdit: false, canDelete: true });
    expect(rightsOn(message({ key: "d", ...own, isDeleted: true, content: null }), true)).toEqual({ canEdit: false, canDelete: false });
  });
});

test("unread messages are the last ones of others", () => {
  const messages = [
    message({ key: "a", seq: 1 }),
    message({ key: "b", seq: 2, isOwn: true }),
    message({ key: "c", seq: 3, isDeleted: true, content: null }),
    message({ key: "d", seq: 4 }),
  ];
  expect(unreadAtEnd(messages, 0)).toBeUndefined();
  expect(unreadAtEnd(messages, 1)).toBe(4);
  expect(unreadAtEnd(messages, 2)).toBe(1);
});

describe("what is new begins", () => {
  const all = [11, 12, 13].map((seq) => message({ key: `${seq}`, seq }));
  const seen = [
    { userId: "ada", userType: "user", lastSeenSeq: 12 },
    { userId: "me", userType: "user", lastSeenSeq: 4 },
  ] as const;

  test("with the last unread messages, where something older was read", () => {
    expect(unreadFrom({ messages: all, unreadCount: 2, hasMore: true, seen }, "me")).toBe(12);
    expect(unreadFrom({ messages: all, unreadCount: 0, hasMore: true, seen }, "me")).toBeUndefined();
  });

  test("right behind what one has read, where all that is loaded is unread and there is more", () => {
    expect(unreadFrom({ messages: all, unreadCount: 3, hasMore: true, seen }, "me")).toBe(5);
    expect(unreadFrom({ messages: all, unreadCount: 3, hasMore: true, seen }, "grace")).toBe(1);
    expect(unreadFrom({ messages: all, unreadCount: 3, hasMore: false, seen }, "me")).toBe(11);
  });

  test("above no message of one's own", () => {
    const own = message({ key: "own", seq: 10, isOwn: true, senderType: "user", senderId: "me" });
    expect(inShort(layout([own, ...all], [], 5))).toEqual(["day", "[own]", "unread", "[11", "12", "13]"]);
    expect(unreadFrom({ messages: [own, ...all], unreadCount: 3, hasMore: true, seen }, "me")).toBe(5);
  });
});

describe("events", () => {
  test("a replay tells nothing twice, and the order is that of the places", () => {
    const log = createEventLog();
    for (const seq of [5, 3, 5]) log.add("c", event(seq));
    expect(log.of("c").map(({ seq }) => seq)).toEqual([3, 5]);
    expect(log.of("other")).toBe(log.of("another"));
  });

  test("only so many are kept", () => {
    const log = createEventLog();
    for (let seq = 1; seq <= 500; seq += 1) log.add("c", event(seq));
    for (let id = 0; id < 1_000; id += 1) log.add(`c${id}`, event(1));
    expect(log.of("c")).toHaveLength(0);
    for (let seq = 1; seq <= 500; seq += 1) log.add("c", event(seq));
    expect(log.of("c")).toHaveLength(100);
  });

  test("they are told in words", () => {
    const team = { nameOf: (id: string) => id.toUpperCase() };
    const say = (change: ThreadEvent["change"], changedBy?: string): string =>
      sentence({ seq: 1, at: at(0), change, ...(changedBy && { changedBy }) }, team, "me");
    expect(say({ type: "status", status: "resolved" }, "me")).toBe("You resolved this");
    expect(say({ type: "status", status: "open" })).toBe("Opened again");
    expect(say({ type: "assigned", to: "me" }, "me")).toBe("You took this");
    expect(say({ type: "assigned", to: "me" }, "ada")).toBe("ADA assigned this to you");
    expect(say({ type: "assigned", to: null }, "ada")).toBe("ADA gave this back");
  });
});

describe("of a long timeline a stretch is in the document", () => {
  const items = layout(
    Array.from({ length: 1_000 }, (_, index) => message({ key: `${index}`, seq: index + 1 })),
    [],
    undefined,
  );
  const heights = new Map(items.map(({ key }) => [key, 40]));
  const place = placesOf(items, heights);
  const none = new Set<string>();
  const heightOf = (part: Item | Space): number => (part.type === "space" ? part.height : 40);

  test("a short one is there as a whole", () => {
    const short = items.slice(0, ALL_MAX);
    expect(partsOf(placesOf(short, heights), undefined, 800, none)).toBe(short);
  });

  test("at the end, at the beginning and between, with all its height and in order", () => {
    for (const pivot of [undefined, 0, 500, items.length - 1]) {
      const parts = partsOf(place, pivot, 800, none);
      expect(parts.reduce((sum, part) => sum + heightOf(part), 0)).toBe(items.length * 40);
      const shown = parts.filter((part) => part.type !== "space");
      const first = items.indexOf(shown[0] as Item);
      expect(shown).toEqual(items.slice(first, first + shown.length));
      expect(shown.length).toBeLessThanOrEqual((800 + 2 * AHEAD) / 40 + 2);
      // What is in sight is there, and what may be soon.
      const top = pivot ?? items.length - 800 / 40;
      expect(first).toBeLessThanOrEqual(Math.max(0, top - AHEAD / 40));
      expect(first + shown.length).toBeGreaterThanOrEqual(Math.min(items.length, top + 800 / 40));
      expect(new Set(parts.map(({ key }) => key)).size).toBe(parts.length);
    }
  });

  test("what one is at stays, wherever it is", () => {
    const parts = partsOf(place, undefined, 800, new Set(["10", "999"]));
    const at = parts.findIndex(({ key }) => key === "10");
    expect([parts[at - 1]?.type, parts[at + 1]?.type]).toEqual(["space", "space"]);
    expect(parts.reduce((sum, part) => sum + heightOf(part), 0)).toBe(items.length * 40);
  });

  test("an item is found by its height, and what is not known is guessed", () => {
    expect([-5, 0, 39, 40, 4_000, 1e9].map((top) => indexAt(place, top))).toEqual([0, 0, 0, 1, 100, items.length - 1]);
    const guessed = placesOf(items, new Map());
    expect(guessed.starts).toHaveLength(items.length + 1);
    expect(guessed.starts.every((start, index) => index === 0 || start > (guessed.starts[index - 1] ?? 0))).toBe(true);
  });

  test("heights of what is gone are forgotten", () => {
    const known = new Map(Array.from({ length: 3_000 }, (_, index) => [`gone ${index}`, 1] as [string, number]));
    placesOf(items, known);
    expect(known.size).toBe(0);
  });
});

test("what a screen reader reads of new messages is all of them, of many the last", () => {
  const nameOf = ({ senderId }: { senderId: string }) => senderId.toUpperCase();
  const file = { id: "1", url: "https://a.example/1", type: "text/plain", name: "bill.txt" };
  const said = [
    message({ key: "one" }),
    message({ key: "two", content: { html: "<p>It is <b>on its\nway</b></p>" }, senderId: "bot" }),
    message({ key: "three", content: { attachments: [file] } }),
  ];
  expect(announcementOf(said, nameOf)).toBe("V: one\nBOT: It is on its way\nV: Attachment: bill.txt");
  const many = Array.from({ length: 9 }, (_, n) => message({ key: `${n}` }));
  expect(announcementOf(many, nameOf)).toBe("9 new messages, the last of them\nV: 4\nV: 5\nV: 6\nV: 7\nV: 8");
  expect(announcementOf([message({ key: "long", content: { text: "x".repeat(9_000) } })], nameOf).length).toBeLessThan(1_100);
});
