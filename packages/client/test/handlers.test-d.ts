/** Types that must hold; the compiler is the test. */

import type { ServerMessages } from "@cossistant/protocol/types";
import type { HandlerOf } from "../src/events.js";
import type { WebSocketEventHandlers } from "../src/index.js";

/** Messages that `onMessage` and the state of the connection say enough about. */
type Silent =
  | "connection_established"
  | "pong"
  | "authenticated"
  | "token_expiring"
  | "reconnect"
  | "subscription_ended";

type Handlers = keyof WebSocketEventHandlers;
type Told = Exclude<ServerMessages["type"], Silent>;

/** Handlers that a message asks for and nobody has: none. */
type Missing = Exclude<HandlerOf<Told>, Handlers>;
/** Handlers that would be called for a message that is not for them: none. */
type Mistaken = Extract<HandlerOf<Silent>, Handlers>;

/** What the handler of a message takes. */
type Taken<Type extends Told> = HandlerOf<Type> extends Handlers
  ? Parameters<NonNullable<WebSocketEventHandlers[HandlerOf<Type>]>>[0]
  : never;
/** Messages whose handler takes something else: none. */
type Mismatched = {
  [Type in Told]: Extract<ServerMessages, { type: Type }> extends Taken<Type> ? never : Type;
}[Told];

const nothing = <Type>(..._: [Type] extends [never] ? [] : [never]): void => {};
nothing<Missing>();
nothing<Mistaken>();
nothing<Mismatched>();
