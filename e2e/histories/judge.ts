/** What must be true of every history once it is quiet. */

import type { StoredMessage } from "../harness/server.js";
import { until } from "../harness/wait.js";
import type { World } from "../harness/world.js";
import type { Person, Played } from "./history.js";

/** Judges a history; gives how many messages it had. Throws, in words, at the first promise that is broken. */
export async function judge(world: World, { people, conversations }: Played): Promise<number> {
  const stored = new Map<string, StoredMessage[]>();
  for (const conversation of conversations) stored.set(conversation, await world.server.messages(conversation));
  let count = 0;
  for (const person of people) count += await judgeSender(person, stored);
  for (const conversation of conversations) {
    for (const person of people) await judgeScreen(person, conversation, stored.get(conversation) ?? []);
  }
  return count;
}

/** Everything that a person sent is stored once and acknowledged, or was shown as failed; in the order of writing. */
async function judgeSender({ name, tab, sent, userId }: Person, stored: Map<string, StoredMessage[]>): Promise<number> {
  const ends = await tab.page.evaluate(() =>
    Object.fromEntries(Object.entries(localStorage).map(([key, value]) => [key, String(value)])),
  );
  for (const [conversation, messages] of stored) {
    const own = messages.filter(({ senderId }) => senderId === userId).map(({ clientMessageId }) => clientMessageId);
    const expected: string[] = [];
    for (const { id, text } of sent.filter((message) => message.conversation === conversation)) {
      const end = ends[`end:${id}`];
      if (end === undefined) throw new Error(`${name}: "${text}" was neither acknowledged nor shown as failed`);
      if (end === "acked") expected.push(id);
      else if (own.includes(id)) throw new Error(`${name}: "${text}" was shown as failed (${end}) and is stored`);
    }
    if (JSON.stringify(own) !== JSON.stringify(expected)) {
      throw new Error(`${name}: ${conversation} has\n  ${own.join(" ")}\nand not, once each and in order,\n  ${expected.join(" ")}`);
    }
  }
  return sent.length;
}

/** A person sees what is stored, in that order, and nothing else. */
async function judgeScreen({ name, tab }: Person, conversation: string, stored: StoredMessage[]): Promise<void> {
  const expected = JSON.stringify(stored.map(({ content }) => content?.text));
  const shown = async (): Promise<string> => {
    const messages = await tab.page.evaluate((id) => window.app.shown(id), conversation);
    return JSON.stringify(messages.filter(({ delivery }) => delivery !== "failed").map(({ text }) => text));
  };
  await until(`${name} sees ${conversation} as it is stored`, async () => (await shown()) === expected, {
    describe: async () => `shown:  ${await shown()}\nstored: ${expected}`,
  });
}
