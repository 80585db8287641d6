import { beforeEach, describe, expect, test } from "vitest";

import { cannedAt, cannedName, cannedReplies, dropCanned, keepCanned, matching, withCanned } from "../src/composer/canned.js";
import { changeDraft } from "../src/composer/drafts.js";
import { createKept, createKeptMap } from "../src/kept.js";

beforeEach(() => localStorage.clear());

describe("canned replies", () => {
  test("a slash at the beginning of a word calls for one", () => {
    const call = (text: string): string | undefined => cannedAt(text, text.length);
    expect(call("/")).toBe("");
    expect(call("Hello /re")).toBe("re");
    expect(call("a\n/re")).toBe("re");
    expect(call("and/or")).toBeUndefined();
    expect(call("https://x")).toBeUndefined();
    expect(call("/re fund")).toBeUndefined();
    expect(cannedAt("/refund", 3)).toBe("re");
  });

  test("it stands in place of what called for it, with the visitor's name as it is", () => {
    const reply = { id: "1", name: "hello", text: "Hi {name}!" };
    expect(withCanned("So: /he and", 7, reply, "$& Ada")).toEqual({ text: "So: Hi $& Ada! and", cursor: 14 });
  });

  test("those whose name begins so come first", () => {
    const replies = [
      { id: "1", name: "later", text: "about the refund" },
      { id: "2", name: "refund", text: "x" },
    ];
    expect(matching(replies, "RE").map(({ id }) => id)).toEqual(["2", "1"]);
    expect(matching(replies, "zzz")).toEqual([]);
  });

  test("they can be kept, changed and thrown away", () => {
    keepCanned({ id: "x", name: "zebra", text: "1" });
    keepCanned({ id: "x", name: "ape", text: "2" });
    expect(cannedReplies.get()[0]).toEqual({ id: "x", name: "ape", text: "2" });
    dropCanned("x");
    expect(cannedReplies.get().some(({ id }) => id === "x")).toBe(false);
    expect(cannedName(" /My Reply ")).toBe("my-reply");
  });
});

test("a draft is its writer's, and one with nothing in it is forgotten", () => {
  const [ada, grace] = [{ org: "o", sub: "ada" }, { org: "o", sub: "grace" }];
  changeDraft(ada, "c", { text: "a" });
  changeDraft(grace, "c", { isNote: true });
  changeDraft(ada, "c", { text: "" });
  window.dispatchEvent(new Event("pagehide"));
  const places = Object.keys(localStorage).filter((place) => place.startsWith("cossistant-inbox:draft:"));
  expect(places).toEqual(["cossistant-inbox:draft:o grace c"]);
  expect(JSON.parse(localStorage.getItem(places[0] ?? "") ?? "")).toMatchObject({ value: { text: "", isNote: true, attachments: [] } });
});

describe("what is kept", () => {
  const read = (stored: unknown): number => (typeof stored === "number" ? stored : 0);

  test("is written at the latest when the page is left, and read again", () => {
    createKept("n", read).set((old) => old + 5);
    window.dispatchEvent(new Event("pagehide"));
    expect(createKept("n", read).get()).toBe(5);
  });

  test("is written when another tab is taken up, which may change something else of it", () => {
    createKept("n", read).set(() => 7);
    window.dispatchEvent(new Event("blur"));
    expect(localStorage.getItem("cossistant-inbox:n")).toBe("7");
  });

  test("is what it should be, whatever was stored", () => {
    localStorage.setItem("cossistant-inbox:n", "{broken");
    expect(createKept("n", read).get()).toBe(0);
  });

  test("is told to those who listen, also when another tab changes it", () => {
    const kept = createKept("n", read);
    const told: number[] = [];
    kept.subscribe(() => told.push(kept.get()));
    kept.set(() => 1);
    kept.set((old) => old);
    window.dispatchEvent(new Event("pagehide"));
    localStorage.setItem("cossistant-inbox:n", "7");
    window.dispatchEvent(new StorageEvent("storage", { key: "cossistant-inbox:n" }));
    expect(told).toEqual([1, 7]);
  });
});

describe("what is kept by keys", () => {
  const read = (stored: unknown): number | undefined => (typeof stored === "number" ? stored : undefined);
  const leave = () => window.dispatchEvent(new Event("pagehide"));
  /** What another tab has stored. */
  const storedElsewhere = (key: string, stored?: string): void => {
    const place = `cossistant-inbox:m:${key}`;
    if (stored === undefined) localStorage.removeItem(place);
    else localStorage.setItem(place, stored);
    window.dispatchEvent(new StorageEvent("storage", { key: place }));
  };

  test("takes nothing from another tab that changes another one at the same time", () => {
    const kept = createKeptMap("m", 3, read);
    kept.set("mine", () => 1);
    storedElsewhere("theirs", JSON.stringify({ changedAt: 1, value: 2 }));
    kept.set("mine", (old) => (old ?? 0) + 10);
    leave();
    expect(Object.fromEntries(kept.get())).toEqual({ mine: 11, theirs: 2 });
    expect(Object.fromEntries(createKeptMap("m", 3, read).get())).toEqual({ theirs: 2, mine: 11 });
    storedElsewhere("theirs");
    expect([...kept.get().keys()]).toEqual(["mine"]);
  });

  test("is newer here than there while it is being changed here", () => {
    const kept = createKeptMap("m", 3, read);
    kept.set("mine", () => 12);
    storedElsewhere("mine", JSON.stringify({ changedAt: 1, value: 2 }));
    expect(kept.get().get("mine")).toBe(12);
    leave();
    expect(createKeptMap("m", 3, read).get().get("mine")).toBe(12);
  });

  test("is bounded: what was changed longest ago goes, from the storage too", () => {
    const kept = createKeptMap("bounded", 2, read);
    for (const key of ["a", "b", "a", "c"]) kept.set(key, (old) => (old ?? 0) + 1);
    leave();
    expect(Object.fromEntries(kept.get())).toEqual({ a: 2, c: 1 });
    expect(localStorage.getItem("cossistant-inbox:bounded:b")).toBeNull();
  });

  test("is what it should be, whatever was stored", () => {
    const whatever = { a: "{broken", b: "null", c: '{"changedAt":"x","value":1}', d: '{"changedAt":1,"value":"x"}', e: '{"changedAt":1,"value":5}' };
    for (const [key, text] of Object.entries(whatever)) localStorage.setItem(`cossistant-inbox:odd:${key}`, text);
    expect(Object.fromEntries(createKeptMap("odd", 9, read).get())).toEqual({ e: 5 });
  });
});
