import { expect, test } from "vitest";

import { isAccessOver, secondsUntil, troubleOf } from "../src/connection/state.js";
import { concerns, countWaiting, titleOf } from "../src/notify/waiting.js";
import { teamOf } from "../src/people/members.js";
import { hueOf, initials, listed, visitorName } from "../src/people/names.js";
import { readClaims } from "../src/session/claims.js";
import { conversation } from "./messages.js";

test("everybody has a name", () => {
  expect(visitorName({ name: " Ada ", email: "a@x.y" }, "v")).toBe("Ada");
  expect(visitorName({ email: "a@x.y" }, "v")).toBe("a@x.y");
  expect(visitorName(undefined, "vis_01J-9F2a")).toBe("Visitor 9f2a");
  expect(visitorName({ name: "  " }, "__")).toBe("Visitor ?");
  // Of these there would be nothing to see.
  for (const name of ["\u202e\u200b", "\u3164", "\u2800 \u00a0"]) expect(visitorName({ name, email: "a@x.y" }, "v")).toBe("a@x.y");
  expect([" نور ", "👋", "-"].map((name) => visitorName({ name }, "v"))).toEqual(["نور", "👋", "-"]);
});

test("initials are letters, of any script", () => {
  expect(["Ada Lovelace", "grace", "نور الهدى", "👋 hey you", "***", "Visitor 9f2a"].map(initials)).toEqual(["AL", "G", "نا", "HY", "?", "9F"]);
});

test("an id has one hue", () => {
  expect(hueOf("a")).toBe(hueOf("a"));
  expect(new Set(["a", "b", "c", "d"].map(hueOf)).size).toBe(4);
});

test("names are listed", () => {
  expect([[], ["A"], ["A", "B"], ["A", "B", "C", "D"]].map(listed)).toEqual(["", "A", "A and B", "A, B and 2 more"]);
});

test("oneself is always of the team, and comes first", () => {
  const ada = { userId: "ada", userType: "user", name: "Ada", online: true } as const;
  const bot = { userId: "bot", userType: "ai_agent", name: "Bot", online: false } as const;
  const team = teamOf([bot, ada], { sub: "me", name: "Me" });
  expect(team.members.map(({ userId }) => userId)).toEqual(["me", "ada", "bot"]);
  expect([team.nameOf("ada"), team.nameOf("x", "Told"), team.nameOf("x")]).toEqual(["Ada", "Told", "x"]);
  expect([team.isAgent("bot"), team.isAgent("ada")]).toEqual([true, false]);
});

test("a token is read as far as it is one", () => {
  const encode = (claims: unknown): string => Buffer.from(JSON.stringify(claims)).toString("base64url");
  const claims = { sub: "ada", type: "user", org: "o", websites: ["w", 1], exp: 5, role: "admin", name: "Adä" };
  expect(readClaims(`e30.${encode(claims)}.sig`)).toEqual({ ...claims, websites: ["w"], role: undefined, isAdmin: true });
  for (const bad of ["", "abc", "a.b.c", `e30.${encode([])}.s`, `e30.${encode({ ...claims, type: "cat" })}.s`]) {
    expect(readClaims(bad)).toBeUndefined();
  }
});

test("trouble has a reason, and a way out", () => {
  const calm = { isOffline: false } as const;
  expect(troubleOf({ ...calm, state: "connected" })).toBeUndefined();
  expect(troubleOf({ ...calm, state: "connecting" })).toBeUndefined();
  expect(troubleOf({ ...calm, state: "waiting", attempt: 2, retryAt: 5 })).toEqual({
    reason: "The server cannot be reached.",
    retryAt: 5,
    isPassing: true,
  });
  // It stays while that attempt is made.
  expect(troubleOf({ ...calm, state: "connecting", attempt: 2 })).toEqual({ reason: "The server cannot be reached.", isPassing: true });
  expect(troubleOf({ state: "waiting", attempt: 1, isOffline: true })?.reason).toBe("You are offline.");
  const over = { ...calm, state: "stopped", reason: "close", code: 4403 } as const;
  expect(troubleOf(over)).toEqual({ reason: "You no longer have access.", isPassing: false });
  expect([isAccessOver(over), isAccessOver({ ...over, code: 4029 })]).toEqual([true, false]);
  expect([secondsUntil(2_001, 1_000), secondsUntil(0, 1_000)]).toEqual([2, 1]);
});

test("a visitor who waits is counted once, in the title", () => {
  const listed = [
    conversation({ conversationId: "read" }),
    conversation({ conversationId: "mine", unreadCount: 2, assignedTeamMemberId: "me" }),
    conversation({ conversationId: "nobody's", unreadCount: 1 }),
    conversation({ conversationId: "hers", unreadCount: 1, assignedTeamMemberId: "ada" }),
  ];
  expect(countWaiting(listed, new Set(), "me")).toBe(2);
  expect(countWaiting(listed, new Set(["mine", "not listed"]), "me")).toBe(3);
  expect(countWaiting(listed, new Set(["read"]), "me")).toBe(2);
  expect([titleOf(0, "Shop"), titleOf(3, "Shop"), titleOf(100, "")]).toEqual(["Shop · Inbox", "(3) Shop · Inbox", "(99+) Inbox"]);
});

test("one hears of visitors who are nobody's or one's own", () => {
  const said = { senderType: "visitor" } as never;
  expect([undefined, null, "me", "ada"].map((assignee) => concerns(said, assignee, "me"))).toEqual([true, true, true, false]);
  expect(concerns({ senderType: "user" } as never, null, "me")).toBe(false);
});
