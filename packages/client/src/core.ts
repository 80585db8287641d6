/** The parts of a client, and what they tell each other. */

import type { ServerMessages } from "@cossistant/protocol/types";

import { createClock, type Clock } from "./clock.js";
import type { WebSocketConfig } from "./config.js";
import { createConnection, type Connection } from "./connection.js";
import { createCredentials, type Credentials } from "./credentials.js";
import { createEmitter, type Emitter } from "./emitter.js";
import type { EngineInput, SubscriptionState } from "./engine/types.js";
import { createEvents, type Events } from "./events.js";
import { createLifetime, type Lifetime } from "./lifetime.js";
import { createLog, type Log } from "./log.js";
import { toEngineConfig } from "./options.js";
import { createOutgoing, type Outgoing } from "./outgoing.js";
import { closeEvent, perform } from "./perform.js";
import { createPings, type Pings } from "./pings.js";
import type { DeliveryChange } from "./replica/types.js";
import type { Extras } from "./extras.js";
import { dialSocket, type Dial } from "./link.js";
import { createSession, type Session } from "./session.js";
import { createStatus, type Status } from "./status.js";
import { createWishes, type Wishes } from "./wishes.js";

/** The longest frame, in bytes, until the server says another one. */
const MAX_BYTES = 65_536;

/** All parts of one client. */
export interface Core {
  /** What the application chose, as it is now. */
  readonly choices: { config: WebSocketConfig };
  /** The longest frame that the server takes, in bytes. */
  maxBytes: number;
  isDestroyed: boolean;
  /** Channels whose events may have been missed when an engine failed; told once they are live again. */
  readonly missed: Set<string>;
  readonly log: Log;
  readonly clock: Clock;
  readonly events: Events;
  readonly credentials: Credentials;
  readonly wishes: Wishes;
  readonly outgoing: Outgoing;
  readonly status: Status;
  readonly pings: Pings;
  readonly connection: Connection;
  /** What only some clients have. */
  extras?: Extras;
  /** Opens links. */
  dial: Dial;
  /** Whether messages may be handed to the engine: not before those of an earlier page. */
  isReady: boolean;
  readonly session: Session;
  readonly lifetime: Lifetime;
  /** What the replica hears, before any handler of the application. */
  readonly heard: {
    readonly messages: Emitter<[ServerMessages]>;
    readonly deliveries: Emitter<[DeliveryChange]>;
    readonly subscriptions: Emitter<[string, SubscriptionState]>;
    readonly resyncs: Emitter<[string]>;
  };
}

/** Makes the parts of a client. `settled` is called whenever something may have changed. */
export function createCore(config: WebSocketConfig, settled: () => void): Core {
  const input = (next: EngineInput): boolean => core.session.input(next);
  const choices = { config };
  const log = createLog(() => choices.config.debug);
  const clock = createClock();
  const events = createEvents();
  const heard: Core["heard"] = {
    messages: createEmitter(),
    deliveries: createEmitter(),
    subscriptions: createEmitter(),
    resyncs: createEmitter(),
  };
  const core: Core = {
    choices,
    maxBytes: MAX_BYTES,
    isDestroyed: false,
    missed: new Set(),
    dial: dialSocket,
    isReady: !config.persistQueue,
    log,
    clock,
    events,
    heard,
    credentials: createCredentials(
      config,
      () => choices.config.getToken,
      log,
      () => {
        core.status.change({ identity: undefined });
        events.tell("onVisitorChanged");
      },
    ),
    wishes: createWishes(input, (channel, state) => {
      core.status.change();
      heard.subscriptions.emit(channel, state);
    }),
    outgoing: createOutgoing({
      input: (next) => core.isReady && input(next),
      tell: (change) => tellDelivery(core, change),
      refusal(count) {
        const { enableMessageQueue, maxQueueSize } = engineConfig(core);
        if (core.isDestroyed || !enableMessageQueue) return "not_connected";
        return count > maxQueueSize ? "queue_full" : undefined;
      },
      maxBytes: () => core.maxBytes,
    }),
    status: createStatus(events, () => ({
      ...core.wishes.snapshot(),
      queuedMessageCount: core.outgoing.size(),
    })),
    pings: createPings(input),
    connection: createConnection(
      {
        input,
        endpoint: () => core.credentials.endpoint(),
        troubled: (event) => events.tell("onError", event),
      },
      log,
    ),
    session: createSession(
      {
        config: () => engineConfig(core),
        prepare: () => prepare(core, config),
        replay: () => replay(core),
        perform: (output, cause) => perform(core, output, cause),
        settled,
        lost: () => handleLoss(core),
      },
      clock,
      log,
    ),
    lifetime: createLifetime({
      begin() {
        if (core.isDestroyed) return;
        core.session.start();
        if (!input({ type: "connect" })) core.status.enter({ type: "connecting" });
      },
      end() {
        if (!input({ type: "disconnect" })) core.status.enter({ type: "disconnected" });
      },
      page(type) {
        if (type === "online" || type === "offline") core.status.change({ isOffline: type === "offline" });
        input({ type });
      },
    }),
  };
  return core;
}

/** The engine's choices, as they are now. */
export function engineConfig(core: Core) {
  return toEngineConfig(core.choices.config, core.credentials.hasTokenSource);
}

/** Loads what only some clients have, once; what cannot be loaded is done without. */
async function prepare(core: Core, config: WebSocketConfig): Promise<void> {
  if (core.extras || !(config.persistQueue || config.shareAcrossTabs)) return;
  try {
    await (await import("./extras.js")).addExtras(core, config);
  } catch (error) {
    core.log("something was not loaded", error);
    core.isReady = true;
  }
}

function replay(core: Core): EngineInput[] {
  const isHidden = typeof document !== "undefined" && document.visibilityState === "hidden";
  return [
    ...(isHidden ? [{ type: "hidden" } as const] : []),
    ...core.wishes.replay(),
    ...(core.isReady ? core.outgoing.replay() : []),
    ...(core.lifetime.isWanted() ? [{ type: "connect" } as const] : []),
  ];
}

function tellDelivery(core: Core, change: DeliveryChange): void {
  core.status.change();
  core.extras?.note(change);
  core.heard.deliveries.emit(change);
  if (change.type !== "failed") return;
  const { id, conversationId } = change.message;
  core.events.tell("onMessageFailed", { id, conversationId, error: change.error });
}

/** The engine failed: what it alone knew is lost, and all else is as after the loss of a connection. */
function handleLoss(core: Core): void {
  const { isConnected, subscriptions } = core.status.get();
  core.connection.close(1000);
  for (const channel of subscriptions) {
    core.missed.add(channel);
    const state = { type: "pending" } as const;
    if (core.wishes.changed(channel, state)) core.heard.subscriptions.emit(channel, state);
  }
  core.outgoing.halted();
  core.pings.failed();
  core.status.enter({ type: core.lifetime.isWanted() ? "connecting" : "disconnected" });
  if (isConnected) core.events.tell("onClose", closeEvent(1006, ""));
}
