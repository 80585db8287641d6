/** Between the engine's words and those of the wire. */

import type { ClientMessages, ServerMessages } from "@cossistant/protocol/types";
import { validateClientMessage, validateServerMessage, type Judged } from "@cossistant/protocol/validate";

import type { EngineFrame, InboundMessage } from "./engine/types.js";

/** The longest draft that is shown to others, in characters. */
const MAX_DRAFT = 2_000;

/** The message that wishes for a channel, or lets go of it. */
export function channelMessage(
  verb: "subscribe" | "unsubscribe",
  channel: string,
  more: { id?: string; after?: number; epoch?: string } = {},
): ClientMessages {
  const id = channel.slice(channel.indexOf(":") + 1);
  return channel.startsWith("website:")
    ? { type: `${verb}_website`, websiteId: id, ...more }
    : { type: `${verb}_conversation`, conversationId: id, ...more };
}

/** The message of a frame whose content is not kept by its sender. */
export function toMessage(
  frame: Exclude<EngineFrame, { type: "sendMessage" | "pass" }>,
  token: string | undefined,
): ClientMessages | undefined {
  switch (frame.type) {
    case "subscribe":
    case "unsubscribe": {
      const { type, channel, ...more } = frame;
      return channelMessage(type, channel, more);
    }
    case "typingStart":
      return { type: "typing_start", conversationId: frame.conversationId };
    case "typingStop":
      return { type: "typing_stop", conversationId: frame.conversationId };
    case "typingProgress":
      return { type: "typing_progress", conversationId: frame.conversationId, content: frame.text };
    case "ping":
      return { type: "ping", id: frame.id };
    case "authenticate":
      return token === undefined ? undefined : { type: "authenticate", id: frame.id, token };
  }
}

/**
 * Encodes a message as it will be sent, and judges it as the server would. The message in the answer is a copy that
 * nobody else has.
 */
export function encode<Message extends ClientMessages>(message: Message): Judged<Message> & { text: string } {
  let text = "";
  let copy: unknown;
  try {
    text = JSON.stringify(message);
    copy = JSON.parse(text);
  } catch {
    // A circle, or a number that JSON does not have: the judge says that it is no message.
  }
  // It has the type that it was given with.
  return { ...(validateClientMessage(copy) as Judged<Message>), text };
}

/** What a frame is: a message, one of a type that is unknown, or why it is none. */
export function decode(data: unknown): Judged<ServerMessages | InboundMessage> {
  let value: unknown;
  try {
    value = JSON.parse(data as string);
  } catch {
    return { ok: false, code: "invalid_message", fault: { path: "", reason: "must be JSON" } };
  }
  const judged = validateServerMessage(value);
  // It is an object, and its `type` is a text: that is what was judged first.
  return judged.ok || judged.code !== "unknown_type" ? judged : { ok: true, message: value as { type: string } };
}

/** What of a draft may be shown to others. */
export function clipDraft(text: string): string {
  return text.length > MAX_DRAFT ? Array.from(text).slice(0, MAX_DRAFT).join("") : text;
}

/** How many bytes a text takes. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
