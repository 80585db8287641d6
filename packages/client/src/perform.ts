/** Doing what the engine says. */

import type { ServerMessages } from "@cossistant/protocol/types";

import type { Inbound } from "./connection.js";
import type { Core } from "./core.js";
import type { EngineFailure, EngineFrame, EngineInput, EngineOutput } from "./engine/types.js";
import { toMessage, toWire } from "./frames.js";
import { toConnectionState } from "./status.js";
import { merge } from "./store.js";

/** A frame that is sent once if there is a connection, and whether it was. */
export interface Pass {
  readonly type: "pass";
  readonly text: string;
  isSent: boolean;
}

/** Does one thing. `cause` is the input that it follows from. */
export function perform(core: Core, output: EngineOutput, cause: EngineInput): void {
  const { connection, events, outgoing, pings, status } = core;
  switch (output.type) {
    case "dial":
      return connection.dial(output.generation);
    case "closeSocket":
      return connection.close(output.code, output.generation);
    case "requestToken":
      return void requestToken(core, output.request, output.isRefused);
    case "transmit":
      return transmit(core, output.generation, output.frame, cause);
    case "deliver":
      return deliver(core, cause);
    case "stateChanged":
      if (output.state.type !== "connected") outgoing.halted();
      return status.enter(toConnectionState(output.state, core.clock.toWall));
    case "closed":
      return events.tell("onClose", closeEvent(output.code, output.reason));
    case "reconnectAttempt":
      return events.tell("onReconnectAttempt", output.attempt);
    case "reconnectSuccess":
      return events.tell("onReconnectSuccess");
    case "reconnectFail":
      return events.tell("onReconnectFail");
    case "subscriptionChanged":
      return core.wishes.change(output.channel, output.state);
    case "resync":
      return core.wishes.resync(output.channel);
    case "messageAcked": {
      const ack = messageOf(cause);
      if (ack?.type === "message_ack") outgoing.acked(output.id, ack);
      return;
    }
    case "messageFailed":
      return fail(core, output.id, output.failure, cause);
    case "pong":
      return pings.answered(output.id, output.latency);
    case "pingFailed":
      return pings.failed(output.id);
  }
}

/** The event of a socket that is gone, also where the platform has no class for it. */
export function closeEvent(code: number, reason: string): CloseEvent {
  const details = { code, reason, wasClean: code !== 1006 };
  if (typeof CloseEvent === "function") return new CloseEvent("close", details);
  // It has all that is special to such an event.
  return Object.assign(new Event("close"), details) as CloseEvent;
}

/** What the server said. Messages of unknown type are among them, which no `case` meets. */
function messageOf(cause: EngineInput): ServerMessages | undefined {
  return cause.type === "inbound" ? (cause.message as ServerMessages) : undefined;
}

async function requestToken(core: Core, request: number, isRefused: boolean): Promise<void> {
  const asker = core.session.engine();
  const outcome = await core.credentials.ask(isRefused);
  if (outcome === "ready") await core.extras?.known();
  if (core.session.engine() === asker) core.session.input({ type: "token", request, outcome });
}

function transmit(core: Core, generation: number, frame: EngineFrame, cause: EngineInput): void {
  let text: string | undefined;
  if (frame.type === "sendMessage") {
    text = core.outgoing.transmit(frame.id);
  } else if (frame.type === "pass") {
    // Only `passMessage` hands in such an input.
    const pass = cause as Pass;
    pass.isSent = true;
    text = pass.text;
  } else {
    text = JSON.stringify(toMessage(frame, core.credentials.token()));
  }
  core.log(text === undefined ? "not sent" : "sent", frame.type);
  if (text !== undefined) core.connection.send(generation, text);
}

function deliver(core: Core, cause: EngineInput): void {
  const message = messageOf(cause);
  if (!message) return;
  const { status } = core;
  const { identity, team } = status.getSnapshot();
  switch (message.type) {
    case "connection_established": {
      const { userId, userType, limits } = message;
      core.maxBytes = limits.maxMessageBytes;
      core.credentials.established(message);
      const person = merge(identity, { userId, userType });
      status.change({ identity: person, team: message.team });
      // The application's own token source may give another person's token; a visitor becomes somebody by being known.
      if (identity && person !== identity && !core.credentials.isVisitor) core.session.renew();
      break;
    }
    case "team_online":
    case "team_offline":
      if (team) status.change({ team: Object.freeze({ ...team, online: message.type === "team_online" }) });
      break;
    case "error":
      // If it is put off, it waits; if it fails for good, that is what comes next.
      if (message.id !== undefined) core.outgoing.halted(message.id);
      break;
    default:
  }
  // Only `Connection` hands in such an input.
  const { isKnown } = cause as Inbound;
  if (isKnown) core.facts.emit({ type: "message", message, at: Date.now() });
  core.events.deliver(message, isKnown);
}

function fail(core: Core, id: string, failure: EngineFailure, cause: EngineInput): void {
  const said = messageOf(cause);
  const { details, error } = said?.type === "error" ? said : {};
  core.outgoing.failed(id, failure.type === "refused" ? failure.code : toWire(failure.type), details, error);
}
