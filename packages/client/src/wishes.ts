/** Wishes for channels: who holds them, and where they stand. */

import type { ClientMessages } from "@cossistant/protocol/types";

import type { ClientHandle } from "./client.js";
import type { Core } from "./core.js";
import type { EngineInput, SubscriptionState } from "./engine/types.js";
import { isId } from "./frames.js";

/** A wish lives as long as somebody holds it. */
interface Wish {
  state: SubscriptionState;
  readonly holders: Set<number>;
  /** Events may have been missed when an engine failed; told once the channel is live again. */
  isMissed?: boolean;
}

/** All wishes of a client, in the order in which they were made. */
export interface Wishes {
  /** A holder of its own. */
  createHandle(): ClientHandle;
  /** Wishes for a channel until the returned function is called. */
  hold(channel: string): () => void;
  /** Takes what the engine says of a channel, and tells it. */
  change(channel: string, state: SubscriptionState): void;
  /** Events of a channel are missing and will not come. */
  resync(channel: string): void;
  /** The engine is gone: what was confirmed is confirmed no more, and has a hole. */
  halted(): void;
  /** Where a wish stands. */
  state(channel: string): SubscriptionState | undefined;
  /** The confirmed ones, and all states. */
  snapshot(): { subscriptions: readonly string[]; subscriptionStates: Readonly<Record<string, SubscriptionState>> };
  /** What a new engine must be told. */
  replay(): EngineInput[];
}

/** Does what a message asks of a channel, by this holder. Whether it asks anything. */
export function holdAsTold(handle: Omit<ClientHandle, "release">, message: ClientMessages): boolean {
  const [, isEnd, kind] = /^(un)?subscribe_(conversation|website)$/.exec(message.type) ?? [];
  const verb = isEnd ? "unsubscribeFrom" : "subscribeTo";
  // A message of such a type has the id of that kind.
  const id = (message as unknown as Record<string, string>)[`${kind}Id`]!;
  if (kind) handle[`${verb}${kind === "website" ? "Website" : "Conversation"}`](id);
  return !!kind;
}

/** Makes an empty list. */
export function createWishes(core: Core): Wishes {
  const wishes = new Map<string, Wish>();
  let holders = 0;
  let confirmed: readonly string[] | undefined = [];
  let states: Readonly<Record<string, SubscriptionState>> | undefined;

  const resync = (channel: string) => {
    core.facts.emit({ type: "resync", channel });
    core.events.tell("onResync", channel);
  };

  const change = (channel: string, state: SubscriptionState) => {
    const wish = wishes.get(channel);
    if (!wish) return;
    // Somebody may hold it again by the time that the engine has let go of it.
    const isLate = state.type === "released" && wish.holders.size;
    if (!isLate && (wish.state.type !== state.type || state.type === "refused")) {
      if (wish.state.type === "confirmed" || state.type === "confirmed") confirmed = undefined;
      states = undefined;
      wish.state = state;
      if (state.type === "released") wishes.delete(channel);
      core.status.change();
      core.facts.emit({ type: "subscription", channel, state });
    }
    if (state.type === "confirmed" && wish.isMissed) {
      wish.isMissed = false;
      resync(channel);
    }
  };

  const hold = (channel: string, holder: number) => {
    const wish = wishes.get(channel) ?? { state: { type: "released" }, holders: new Set() };
    wishes.set(channel, wish);
    wish.holders.add(holder);
    const isValid = isId(channel.slice(channel.indexOf(":") + 1));
    if (!isValid) return change(channel, { type: "refused", code: "invalid_message" });
    if (wish.state.type === "released") change(channel, { type: "pending" });
    core.session.input({ type: "subscribe", channel, holder });
  };

  const release = (channel: string, holder: number) => {
    const wish = wishes.get(channel);
    if (!wish?.holders.delete(holder)) return;
    if (!wish.holders.size) change(channel, { type: "released" });
    core.session.input({ type: "unsubscribe", channel, holder });
  };

  return {
    createHandle() {
      const holder = ++holders;
      return {
        subscribeToConversation: (id) => hold(`conversation:${id}`, holder),
        subscribeToWebsite: (id) => hold(`website:${id}`, holder),
        unsubscribeFromConversation: (id) => release(`conversation:${id}`, holder),
        unsubscribeFromWebsite: (id) => release(`website:${id}`, holder),
        release() {
          for (const channel of [...wishes.keys()]) release(channel, holder);
        },
      };
    },
    hold(channel) {
      const holder = ++holders;
      hold(channel, holder);
      return () => release(channel, holder);
    },
    change,
    resync,
    halted() {
      for (const [channel, wish] of wishes) {
        if (wish.state.type !== "confirmed") continue;
        wish.isMissed = true;
        change(channel, { type: "pending" });
      }
    },
    state: (channel) => wishes.get(channel)?.state,
    snapshot() {
      const all = [...wishes];
      const live = all.filter(([, { state }]) => state.type === "confirmed");
      confirmed ??= Object.freeze(live.map(([channel]) => channel));
      states ??= Object.freeze(Object.fromEntries(all.map(([channel, { state }]) => [channel, state])));
      return { subscriptions: confirmed, subscriptionStates: states };
    },
    replay: () =>
      [...wishes]
        .filter(([, { state }]) => state.type !== "refused")
        .flatMap(([channel, wish]) =>
          [...wish.holders].map((holder): EngineInput => ({ type: "subscribe", channel, holder })),
        ),
  };
}
