/** From what happens to the handlers of the application. */

import type { ServerMessages } from "@cossistant/protocol/types";

import { callSafely, createEmitter, type Emitter } from "./emitter.js";
import type { WebSocketEventHandlers } from "./handlers.js";
import type { ServerMessageOf } from "./state.js";

/** The handler of each type of message; null where `onMessage` and the state of the connection say it all. */
export const HANDLERS = {
  connection_established: null,
  pong: null,
  authenticated: null,
  token_expiring: null,
  reconnect: null,
  subscription_ended: null,
  subscription_confirmed: "onSubscriptionConfirmed",
  subscription_error: "onSubscriptionError",
  message_ack: "onMessageAck",
  new_message: "onNewMessage",
  message_updated: "onMessageUpdated",
  conversation_created: "onConversationCreated",
  visitor_identified: "onVisitorIdentified",
  team_online: "onTeamPresence",
  team_offline: "onTeamPresence",
  conversation_status_changed: "onConversationStatusChange",
  conversation_assigned: "onConversationAssigned",
  conversation_seen: "onConversationSeen",
  typing_indicator: "onTypingIndicator",
  viewing_indicator: "onViewing",
  typing_progress: "onTypingProgress",
  agent_activity: "onAgentActivity",
  visitor_online: "onVisitorPresence",
  visitor_offline: "onVisitorPresence",
  error: "onServerError",
} as const satisfies Record<ServerMessages["type"], keyof WebSocketEventHandlers | null>;

/** All who listen. */
export interface Events {
  /** Adds a set of handlers, read anew for each event. */
  add(current: () => WebSocketEventHandlers): () => void;
  /** Listens to messages of one type. */
  on<Type extends ServerMessages["type"]>(type: Type, listener: (message: ServerMessageOf<Type>) => void): () => void;
  /** Hands on a message: to `onMessage`, then to the handler of its type, then to the listeners of its type. */
  deliver(message: ServerMessages): void;
  /** Calls one handler of each set. */
  tell<Name extends keyof WebSocketEventHandlers>(
    name: Name,
    ...args: Parameters<NonNullable<WebSocketEventHandlers[Name]>>
  ): void;
}

/** Makes a list of nobody. */
export function createEvents(): Events {
  let sets: readonly (() => WebSocketEventHandlers)[] = [];
  const listeners = new Map<string, Emitter<[never]>>();

  const tell = (name: keyof WebSocketEventHandlers, ...args: unknown[]) => {
    for (const current of sets) {
      callSafely(() => {
        // The arguments are those of this handler; the types of `Events` see to that.
        const handler = current()[name] as ((...args: unknown[]) => void) | undefined;
        handler?.(...args);
      });
    }
  };

  return {
    add(current) {
      const entry = () => current();
      sets = [...sets, entry];
      return () => {
        sets = sets.filter((other) => other !== entry);
      };
    },
    on(type, listener) {
      const emitter = listeners.get(type) ?? createEmitter<[never]>();
      listeners.set(type, emitter);
      return emitter.add(listener);
    },
    deliver(message) {
      tell("onMessage", message);
      const handler = Object.hasOwn(HANDLERS, message.type) && HANDLERS[message.type];
      if (handler) tell(handler, message);
      // Listeners of a type are added by `on`, which takes those of this very type.
      listeners.get(message.type)?.emit(message as never);
    },
    tell,
  };
}
