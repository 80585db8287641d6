/** The parts of a client. Each does its own work and calls the others when something happens. */

import { createClock, type Clock } from "./clock.js";
import type { WebSocketConfig } from "./config.js";
import { createConnection, type Connection } from "./connection.js";
import { createCredentials, type Credentials } from "./credentials.js";
import { createEmitter, type Emitter } from "./emitter.js";
import { createEvents, type Events } from "./events.js";
import type { Extras } from "./extras.js";
import { createLifetime, type Lifetime } from "./lifetime.js";
import { dialSocket, type Dial } from "./link.js";
import { createLog, type Log } from "./log.js";
import { createOutgoing, newId, type Outgoing } from "./outgoing.js";
import { createPings, type Pings } from "./pings.js";
import type { Fact } from "./replica/types.js";
import { createSession, type Session } from "./session.js";
import type { WebSocketStats } from "./state.js";
import { createStatus, type Status } from "./status.js";
import type { Store } from "./store.js";
import { createStats } from "./stats.js";
import { createWishes, type Wishes } from "./wishes.js";

/** The longest frame, in bytes, until the server says another one. */
const MAX_BYTES = 65_536;

/** What the parts may use while they are made. */
interface Base {
  /** What the application chose, as it is now. */
  config: WebSocketConfig;
  /** The longest frame that the server takes, in bytes. */
  maxBytes: number;
  isDestroyed: boolean;
  /** Whether messages may be handed to the engine: not before those of an earlier page. */
  isReady: boolean;
  /** Where in the tab's storage messages are kept until `isReady`. */
  readonly journal: string;
  readonly clock: Clock;
  readonly events: Events;
  /** Opens links. */
  dial: Dial;
  /** What only some clients have. */
  extras?: Extras;
  /** What the replica hears, before any handler of the application. */
  readonly facts: Emitter<[Fact]>;
}

/** All parts of one client. */
export interface Core extends Base {
  readonly log: Log;
  readonly credentials: Credentials;
  readonly wishes: Wishes;
  readonly outgoing: Outgoing;
  readonly status: Status;
  readonly stats: Store<WebSocketStats>;
  readonly pings: Pings;
  readonly connection: Connection;
  readonly session: Session;
  readonly lifetime: Lifetime;
}

/** Makes the parts of a client. They use each other only once all are there. */
export function createCore(config: WebSocketConfig): Core {
  const base: Base = {
    config,
    maxBytes: MAX_BYTES,
    isDestroyed: false,
    isReady: !config.persistQueue,
    journal: `cossistant-queue ${config.url} ${config.publicKey} ${performance.timeOrigin} ${newId()}`,
    clock: createClock(),
    events: createEvents(),
    dial: dialSocket,
    facts: createEmitter(),
  };
  // It is whole when this returns.
  const core = base as Core;
  return Object.assign(core, {
    log: createLog(core),
    credentials: createCredentials(core),
    wishes: createWishes(core),
    outgoing: createOutgoing(core),
    status: createStatus(core),
    stats: createStats(core),
    pings: createPings(core),
    connection: createConnection(core),
    session: createSession(core),
    lifetime: createLifetime(core),
  });
}
