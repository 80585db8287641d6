/** From records to outputs; the order of names is that of their codes in `crates/client-wasm/src/output.rs`. */

import type { RecordReader } from "./abi.js";
import type { EngineFailure, EngineFrame, EngineOutput, EngineState, EngineStats, SubscriptionState } from "./types.js";

const outputs = [
  "dial",
  "closeSocket",
  "requestToken",
  "transmit",
  "deliver",
  "stateChanged",
  "closed",
  "reconnectAttempt",
  "reconnectSuccess",
  "reconnectFail",
  "subscriptionChanged",
  "resync",
  "messageAcked",
  "messageFailed",
  "pong",
  "pingFailed",
] as const satisfies readonly EngineOutput["type"][];

const frames = [
  "subscribe",
  "unsubscribe",
  "sendMessage",
  "pass",
  "typingStart",
  "typingStop",
  "typingProgress",
  "ping",
  "authenticate",
] as const satisfies readonly EngineFrame["type"][];

const states = ["disconnected", "connecting", "connected", "waiting", "stopped"] as const;
const stopReasons = ["close", "tokenDenied", "exhausted"] as const;
const subscriptionStates = ["pending", "confirmed", "unavailable", "released", "refused"] as const;
const failures = ["queueFull", "duplicateId", "tooOld", "notConnected", "refused"] as const;
const troubles = ["error", "close", "dial", "token", "connectTimeout", "silence", "loss"] as const;

export function decodeOutput(reader: RecordReader): EngineOutput {
  const type = reader.choice(outputs);
  switch (type) {
    case "dial":
      return { type, generation: reader.number() };
    case "closeSocket":
      return { type, generation: reader.number(), code: reader.number() };
    case "requestToken":
      return { type, request: reader.number(), isRefused: reader.flag() };
    case "transmit":
      return { type, generation: reader.number(), frame: decodeFrame(reader) };
    case "stateChanged":
      return { type, state: decodeState(reader) };
    case "closed":
      return { type, code: reader.number(), reason: reader.text() };
    case "reconnectAttempt":
      return { type, attempt: reader.number() };
    case "subscriptionChanged":
      return { type, channel: reader.text(), state: decodeRefusal(reader, subscriptionStates) };
    case "resync":
      return { type, channel: reader.text() };
    case "messageAcked":
    case "pingFailed":
      return { type, id: reader.text() };
    case "messageFailed":
      return { type, id: reader.text(), failure: decodeRefusal(reader, failures) };
    case "pong":
      return { type, id: reader.text(), latency: reader.number() };
    case "deliver":
    case "reconnectSuccess":
    case "reconnectFail":
      return { type };
  }
}

function decodeFrame(reader: RecordReader): EngineFrame {
  const type = reader.choice(frames);
  switch (type) {
    case "subscribe": {
      const frame: EngineFrame = { type, id: reader.text(), channel: reader.text() };
      if (reader.flag()) frame.after = reader.number();
      if (reader.flag()) frame.epoch = reader.text();
      return frame;
    }
    case "unsubscribe":
      return { type, id: reader.text(), channel: reader.text() };
    case "sendMessage":
      return { type, id: reader.text(), conversationId: reader.text() };
    case "typingStart":
    case "typingStop":
      return { type, conversationId: reader.text() };
    case "typingProgress":
      return { type, conversationId: reader.text(), text: reader.text() };
    case "ping":
    case "authenticate":
      return { type, id: reader.text() };
    case "pass":
      return { type };
  }
}

function decodeState(reader: RecordReader): EngineState {
  const type = reader.choice(states);
  if (type === "waiting") return { type, attempt: reader.number(), until: reader.number() };
  if (type !== "stopped") return { type };
  const reason = reader.choice(stopReasons);
  return { type, reason: reason === "close" ? { type: reason, code: reader.number() } : { type: reason } };
}

/** One of these names, of which `refused` has a code. */
function decodeRefusal<T extends string>(
  reader: RecordReader,
  names: readonly (T | "refused")[],
): { type: Exclude<T, "refused"> } | { type: "refused"; code: string } {
  const type = reader.choice(names);
  if (type === "refused") return { type: "refused", code: reader.text() };
  // The compiler does not follow the exclusion into a type parameter.
  return { type: type as Exclude<T, "refused"> };
}

export function decodeStats(reader: RecordReader): EngineStats {
  const stats: EngineStats = {
    messagesSent: reader.number(),
    messagesReceived: reader.number(),
    messagesInvalid: reader.number(),
    duplicates: reader.number(),
    reconnectAttempts: reader.number(),
  };
  if (reader.flag()) stats.connectedAt = reader.number();
  if (reader.flag()) stats.lastErrorAt = reader.number();
  if (reader.flag()) stats.latency = reader.number();
  if (reader.flag()) {
    const trouble = reader.choice(troubles);
    stats.lastError =
      trouble === "error" ? reader.text() : trouble === "close" ? `close ${reader.number()}` : trouble;
  }
  return stats;
}
