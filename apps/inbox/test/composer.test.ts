import { beforeEach, describe, expect, test } from "vitest";

import { cannedAt, cannedName, cannedReplies, dropCanned, keepCanned, matching, withCanned } from "../src/composer/canned.js";
import { changeDraft } from "../src/composer/drafts.js";
import { createKept } from "../src/kept.js";

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
  const kept = JSON.parse(localStorage.getItem("cossistant-inbox:drafts") ?? "{}");
  expect(kept).toEqual({ "o grace c": { text: "", isNote: true, attachments: [] } });
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
