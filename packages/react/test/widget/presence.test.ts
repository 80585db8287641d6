// @vitest-environment node
/** Who of the team is there, and what cannot be known of it. */

import type { TeamMember } from "@cossistant/protocol/types";
import { expect, test } from "vitest";

import { createTeamWatch } from "../../src/widget/presence.js";

const grace: TeamMember = { userType: "user", name: "Grace" };
const fern: TeamMember = { userType: "ai_agent", name: "Fern" };
const team = (...members: TeamMember[]) => ({ online: members.length > 0, members });

test("a connection begins with who is there", () => {
  const watch = createTeamWatch();
  expect(watch(undefined)).toBeUndefined();
  expect([team(grace, fern), team(fern), team()].map(watch)).toEqual(["people", "agents", "nobody"]);
});

test("who came first since is not told", () => {
  const watch = createTeamWatch();
  const [nobody, people] = [team(), team(grace)];
  expect([nobody, { ...nobody, online: true }, { ...nobody }].map(watch)).toEqual(["nobody", "somebody", "nobody"]);
  expect([people, { ...people, online: false }, { ...people, online: true }].map(watch)).toEqual(["people", "nobody", "somebody"]);
  // Another connection begins anew.
  expect(watch(team(fern))).toBe("agents");
});

test("what another tab was told may be old", () => {
  expect(createTeamWatch()({ ...team(), online: true })).toBe("somebody");
  expect(createTeamWatch()({ ...team(grace), online: false })).toBe("nobody");
});
