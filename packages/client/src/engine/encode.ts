/** From inputs to records; the order of names is that of their codes in `crates/client-wasm/src/input.rs`. */

import type { ServerMessages } from "@cossistant/protocol/types";
import { optional, type Field } from "./abi.js";
import type { EngineConfig, EngineInput, InboundMessage } from "./types.js";

const inputs: readonly EngineInput["type"][] = [
  "connect",
  "disconnect",
  "tick",
  "online",
  "offline",
  "visible",
  "hidden",
  "pageHide",
  "pageShow",
  "pass",
  "configure",
  "token",
  "opened",
  "dialFailed",
  "invalid",
  "closed",
  "inbound",
  "subscribe",
  "unsubscribe",
  "send",
  "typingStart",
  "typingStop",
  "typingProgress",
  "ping",
];

const outcomes = ["ready", "failed", "denied"];

/** Server messages that mean something to the engine, in the order of their codes. */
const kinds: readonly ServerMessages["type"][] = [
  "connection_established",
  "authenticated",
  "token_expiring",
  "subscription_confirmed",
  "subscription_error",
  "subscription_ended",
  "message_ack",
  "error",
  "reconnect",
  "pong",
];
/** The code of a durable event, and that of everything else, known or not. */
const EVENT = 10;
const EPHEMERAL = 11;

export function encodeConfig(config: EngineConfig): Field[] {
  return [
    Number(config.autoReconnect),
    config.reconnectDelay,
    config.maxReconnectDelay,
    config.reconnectDelayMultiplier,
    config.maxReconnectAttempts,
    config.reconnectJitter,
    config.connectTimeout,
    Number(config.enableMessageQueue),
    config.maxQueueSize,
    config.maxQueueAge,
    config.heartbeatInterval,
    config.requestTimeout,
    config.typingProgressThrottle,
    Number(config.hasTokenSource),
  ];
}

export function encodeInput(input: EngineInput): Field[] {
  return [inputs.indexOf(input.type), ...fieldsOf(input)];
}

function fieldsOf(input: EngineInput): Field[] {
  switch (input.type) {
    case "configure":
      return encodeConfig(input.config);
    case "token":
      return [input.request, outcomes.indexOf(input.outcome)];
    case "opened":
    case "dialFailed":
    case "invalid":
      return [input.generation];
    case "closed":
      return [input.generation, input.code, input.reason];
    case "inbound":
      return [input.generation, ...encodeMessage(input.message)];
    case "subscribe":
    case "unsubscribe":
      return [input.channel, input.holder];
    case "send":
      return [input.id, input.conversationId, input.age];
    case "typingStart":
    case "typingStop":
      return [input.conversationId];
    case "typingProgress":
      return [input.conversationId, input.text];
    case "ping":
      return [input.id];
    default:
      return [];
  }
}

function encodeMessage(inbound: InboundMessage): Field[] {
  // One of an unknown type falls through to the end, so it may be taken for a known one until then.
  const message = inbound as ServerMessages;
  const code = kinds.indexOf(message.type);
  const head = [...optional("id" in message ? message.id : undefined), code];
  switch (message.type) {
    case "connection_established":
      return [...head, 1, message.heartbeatInterval, ...optional(message.limits.typingInterval)];
    case "subscription_confirmed":
      return [...head, message.channel, message.epoch, message.head, Number(message.recovered)];
    case "subscription_error":
      return [...head, message.channel, message.code, ...optional(message.retryAfter)];
    case "subscription_ended":
      return [...head, message.channel, ...optional(message.reason)];
    case "error":
      return [...head, message.code, ...optional(message.retryAfter)];
    case "reconnect":
      return [...head, ...optional(message.retryAfter)];
    case "new_message":
    case "message_updated":
    case "conversation_created":
    case "conversation_status_changed":
    case "conversation_assigned":
      return [0, EVENT, message.conversationId, message.websiteId, message.seq, ...optional(message.offset)];
    default:
      return code < 0 ? [0, EPHEMERAL] : head;
  }
}
