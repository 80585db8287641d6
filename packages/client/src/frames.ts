/** Between the engine's words and those of the wire. */

import type { ClientMessages } from "@cossistant/protocol/types";
import { validateServerMessage, type Fault } from "@cossistant/protocol/validate";

import type { EngineFrame, InboundMessage } from "./engine/types.js";

/** The longest draft that is shown to others, in characters. */
const MAX_DRAFT = 2_000;

/** The message that wishes for a channel, or lets go of it. */
export function channelMessage(
  verb: "subscribe" | "unsubscribe",
  channel: string,
  more: { id?: string; after?: number; epoch?: string } = {},
): ClientMessages {
  // Ids have no colon, and there are messages for both kinds of channels.
  const [kind, id] = channel.split(":");
  return { type: `${verb}_${kind}`, [`${kind}Id`]: id, ...more } as ClientMessages;
}

/** The message of a frame whose content is not kept by its sender. */
export function toMessage(
  frame: Exclude<EngineFrame, { type: "sendMessage" | "pass" }>,
  token: string | undefined,
): ClientMessages {
  if (frame.type === "subscribe" || frame.type === "unsubscribe") {
    const { type, channel, ...more } = frame;
    return channelMessage(type, channel, more);
  }
  const said = { ...frame, type: toWire(frame.type) };
  // The rest has the names of the wire but for these two.
  if (frame.type === "typingProgress") return { ...said, content: frame.text, text: undefined } as ClientMessages;
  return (frame.type === "authenticate" ? { ...said, token } : said) as ClientMessages;
}

/** The engine's name for something, as it is on the wire and for applications: `tooOld` is `too_old`. */
export function toWire(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Whether a text can name a conversation or a website. The server closes on those who often ask for what cannot be. */
export function isId(text: string): boolean {
  return /^[\w-]{1,128}$/.test(text);
}

/** What a frame is: a message, one of a type that is not known, or why it is none. */
export function decode(data: unknown): { message: InboundMessage; isKnown: boolean } | Fault {
  let value: unknown;
  try {
    value = JSON.parse(data as string);
  } catch {
    // What is no JSON is no message either, as its judge finds.
  }
  const judged = validateServerMessage(value);
  if (judged.ok) return { message: judged.message, isKnown: true };
  // Of an unknown type it is an object with a `type` that is a text: that was judged first.
  return judged.code === "unknown_type" ? { message: value as { type: string }, isKnown: false } : judged.fault;
}

/** What of a draft may be shown to others: a text, and not too much of it. */
export function clipDraft(text: string): string {
  const clipped = text.length > MAX_DRAFT ? Array.from(text).slice(0, MAX_DRAFT).join("") : text;
  return clipped.replace(/[\0\p{Surrogate}]/gu, "\ufffd");
}

/** How many bytes a text takes. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
