/**
 * One random history: a visitor and a member of the team write to each other in two conversations, each in a browser of
 * their own, while connections are cut, pages are reloaded, the network goes and the server is killed.
 */

import { unique, until } from "../harness/wait.js";
import { type Tab, type World } from "../harness/world.js";
import { Random } from "./random.js";

/** How many things happen in a history. */
const STEPS = [12, 24] as const;
/** How many messages are written at once, at most. */
const BATCH = 4;

/** What can happen. */
type Step =
  | "send"
  | "cut"
  | "cutAfter"
  | "blackHole"
  | "refuse"
  | "pass"
  | "reload"
  | "kill"
  | "goOffline"
  | "goOnline"
  | "settle";

const STEPS_BY_WEIGHT: readonly (readonly [number, Step])[] = [
  [10, "send"],
  [2, "cut"],
  [2, "cutAfter"],
  [1, "blackHole"],
  [1, "refuse"],
  [3, "pass"],
  [2, "reload"],
  [1, "kill"],
  [1, "goOffline"],
  [2, "goOnline"],
  [1, "settle"],
];

/** One message that somebody wrote. */
export interface Sent {
  id: string;
  text: string;
  conversation: string;
}

/** One of the two people. */
export interface Person {
  name: string;
  userId: string;
  tab: Tab;
  /** What was written here, oldest first. */
  sent: Sent[];
}

/** What a history leaves behind. */
export interface Played {
  people: Person[];
  conversations: string[];
}

/** Plays a history to its end, at which everything passes and nothing waits to be sent. Writes what happens to `trace`. */
export async function play(world: World, seed: number, trace: string[]): Promise<Played> {
  const random = new Random(seed);
  const conversations = [unique(`h${seed}-a`), unique(`h${seed}-b`)];
  const people = await meet(world, seed, conversations);
  const steps = random.between(...STEPS);
  for (let n = 0; n < steps; n += 1) {
    const person = people[random.between(0, people.length - 1)];
    if (!person) throw new Error("there are two people");
    const step = random.choose(STEPS_BY_WEIGHT);
    trace.push(`${n} ${person.name} ${step}`);
    await happen(world, random, person, conversations, step);
  }
  await world.proxy.set({ type: "pass" });
  for (const { tab } of people) await tab.context.setOffline(false);
  for (const person of people) await quiet(person);
  return { people, conversations };
}

/** Opens both pages; the visitor's first messages make the conversations. */
async function meet(world: World, seed: number, conversations: string[]): Promise<Person[]> {
  const config = { persistQueue: true, heartbeatInterval: 500, requestTimeout: 1_000, connectTimeout: 1_500 };
  const people: Person[] = [];
  for (const type of ["visitor", "user"]) {
    const userId = `${type}-${seed}`;
    const tab = await world.open({ person: `${type}:${userId}`, conversations, config });
    const person: Person = { name: type, userId, tab, sent: [] };
    people.push(person);
    await tab.connected();
    if (type === "visitor") for (const conversation of conversations) await write(person, conversation, 1);
    await quiet(person);
  }
  return people;
}

async function happen(world: World, random: Random, person: Person, conversations: string[], step: Step): Promise<void> {
  const { tab } = person;
  switch (step) {
    case "send": {
      const conversation = conversations[random.between(0, conversations.length - 1)] ?? "";
      return write(person, conversation, random.between(1, BATCH));
    }
    case "cut":
      return world.proxy.cut();
    case "cutAfter":
      return world.proxy.set({ type: "cutAfter", bytes: random.between(1, 1_500) });
    case "blackHole":
      return world.proxy.set({ type: "blackHole" });
    case "refuse":
      return world.proxy.set({ type: "refuse" });
    case "pass":
      return world.proxy.set({ type: "pass" });
    case "reload":
      // A browser that is offline cannot load the page, nor could its user.
      await tab.context.setOffline(false);
      await tab.page.reload();
      return;
    case "kill":
      return world.crash();
    case "goOffline":
      return tab.context.setOffline(true);
    case "goOnline":
      return tab.context.setOffline(false);
    case "settle":
      await tab.context.setOffline(false);
      await world.proxy.set({ type: "pass" });
      return quiet(person);
  }
}

/** Writes messages, one after another, without waiting for any. */
async function write(person: Person, conversation: string, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, n) => {
    const text = `${person.name} ${person.sent.length + n}`;
    return { id: unique(person.name), text, conversation };
  });
  person.sent.push(...messages);
  await person.tab.page.evaluate((list) => {
    for (const { conversation, text, id } of list) window.app.send(conversation, text, id);
  }, messages);
}

/** Waits until this person is connected and nothing waits to be sent. */
async function quiet({ tab, name }: Person): Promise<void> {
  await until(
    `${name} has sent everything`,
    () =>
      tab.page.evaluate(() => {
        const { isConnected, queuedMessageCount, subscriptionStates } = window.app.client.getSnapshot();
        const isSubscribed = Object.values(subscriptionStates).every(({ type }) => type === "confirmed");
        return isConnected && queuedMessageCount === 0 && isSubscribed;
      }),
    { patience: 60_000, describe: () => tab.describe() },
  );
}
