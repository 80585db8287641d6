/** From what happens to the handlers of the application. */

import type { ServerMessages } from "@cossistant/protocol/types";

import { createEmitter, type Emitter } from "./emitter.js";
import type { WebSocketEventHandlers } from "./handlers.js";
import type { ServerMessageOf } from "./state.js";

/** Where a handler is not named after its message. */
const IRREGULAR = {
  conversation_status_changed: "onConversationStatusChange",
  viewing_indicator: "onViewing",
  visitor_online: "onVisitorPresence",
  visitor_offline: "onVisitorPresence",
  team_online: "onTeamPresence",
  team_offline: "onTeamPresence",
  error: "onServerError",
} as const;

type Pascal<Text extends string> = Text extends `${infer First}_${infer Rest}`
  ? `${Capitalize<First>}${Pascal<Rest>}`
  : Capitalize<Text>;

/** The handler of a type of message, if it has one: `onNewMessage` of `new_message`. */
export type HandlerOf<Type extends string> = Type extends keyof typeof IRREGULAR
  ? (typeof IRREGULAR)[Type]
  : `on${Pascal<Type>}`;

function handlerOf(type: ServerMessages["type"]): string {
  const words = type.replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
  return type in IRREGULAR ? IRREGULAR[type as keyof typeof IRREGULAR] : `on${words}`;
}

/** All who listen. */
export interface Events {
  /** Adds a set of handlers, read anew for each event. */
  add(current: () => WebSocketEventHandlers): () => void;
  /** Listens to messages of one type. */
  on<Type extends ServerMessages["type"]>(type: Type, listener: (message: ServerMessageOf<Type>) => void): () => void;
  /** Hands on a message: to `onMessage`, and if its type is known, to the handler and then to the listeners of it. */
  deliver(message: ServerMessages, isKnown: boolean): void;
  /** Calls one handler of each set. */
  tell<Name extends keyof WebSocketEventHandlers>(
    name: Name,
    ...args: Parameters<NonNullable<WebSocketEventHandlers[Name]>>
  ): void;
}

/** Makes a list of nobody. */
export function createEvents(): Events {
  const sets = createEmitter<[name: string, args: unknown[]]>();
  const listeners = new Map<string, Emitter<[never]>>();

  const tell = (name: string, ...args: unknown[]) => sets.emit(name, args);

  return {
    // A type without a handler has none, and the arguments are those of the handler: the types of `Events` see to it.
    add: (current) =>
      sets.add((name, args) => (current() as Record<string, ((...args: unknown[]) => void) | undefined>)[name]?.(...args)),
    on(type, listener) {
      const emitter = listeners.get(type) ?? createEmitter<[never]>();
      listeners.set(type, emitter);
      return emitter.add(listener);
    },
    deliver(message, isKnown) {
      tell("onMessage", message);
      if (!isKnown) return;
      tell(handlerOf(message.type), message);
      // Listeners of a type are added by `on`, which takes those of this very type.
      listeners.get(message.type)?.emit(message as never);
    },
    tell,
  };
}
