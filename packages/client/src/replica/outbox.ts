/** The messages of this client that are not stored: waiting, on their way, or failed. They outlive every screen. */

import type { NewMessage } from "@cossistant/protocol/types";

import type { SendError } from "../errors.js";
import type { Identity } from "../state.js";
import { isOwn } from "./timeline.js";
import type { ConversationMessage, DeliveryState, OutgoingMessage } from "./types.js";

/** How many failed messages are kept; of more, the oldest go. */
export const FAILED_MAX = 200;

/** A message that is not stored. */
export interface Unsent {
  readonly message: OutgoingMessage;
  readonly delivery: Exclude<DeliveryState, "sent">;
  readonly error: SendError | undefined;
  /** The same as it is shown. */
  readonly shown: ConversationMessage;
}

/** See above. */
export interface Outbox {
  /** A message has come so far. Its place among the others is that of its first showing. */
  set(message: OutgoingMessage, delivery: Unsent["delivery"], error?: SendError): void;
  /** A message is stored, or taken away. */
  delete(id: string): void;
  /** A message that the server tells may be one of these: then it is stored, and no longer here. */
  settle(message: NewMessage): void;
  /** Those of a conversation, in the order of their first showing. */
  of(conversationId: string): readonly Unsent[];
  /** The key by which the message of this id is shown. */
  keyOf(id: string): string;
  /** The message of `id` will be sent as `newId`, and shown as before. */
  rename(id: string, newId: string): void;
  /** This client is somebody else now. */
  refresh(): void;
}

/** Makes an empty outbox. */
export function createOutbox(self: () => Identity | undefined): Outbox {
  const entries = new Map<string, Unsent>();
  /** Keys of messages that were sent again with another id. */
  const keys = new Map<string, string>();
  const keyOf = (id: string): string => keys.get(id) ?? id;

  function set(message: OutgoingMessage, delivery: Unsent["delivery"], error?: SendError): void {
    const shown = show(keyOf(message.id), message, delivery, error, self());
    entries.set(message.id, { message, delivery, error, shown });
    if (delivery !== "failed") return;
    const failed = [...entries].filter(([, entry]) => entry.delivery === "failed");
    for (const [id] of failed.slice(0, -FAILED_MAX)) entries.delete(id);
  }

  return {
    set,
    keyOf,
    delete: (id) => entries.delete(id),
    settle(message) {
      const id = message.clientMessageId ?? "";
      const isHere = entries.get(id)?.message.conversationId === message.conversationId;
      if (isHere && isOwn(self(), message)) entries.delete(id);
    },
    of: (conversationId) =>
      [...entries.values()].filter(({ message }) => message.conversationId === conversationId),
    rename: (id, newId) => keys.set(newId, keyOf(id)),
    refresh() {
      for (const { message, delivery, error } of entries.values()) set(message, delivery, error);
    },
  };
}

function show(
  key: string,
  message: OutgoingMessage,
  delivery: DeliveryState,
  error: SendError | undefined,
  self: Identity | undefined,
): ConversationMessage {
  return Object.freeze({
    key,
    clientMessageId: message.id,
    conversationId: message.conversationId,
    content: message.content,
    senderType: self?.userType ?? "visitor",
    senderId: self?.userId ?? "",
    createdAt: new Date(message.queuedAt).toISOString(),
    visibility: message.visibility ?? "public",
    delivery,
    isDeleted: false,
    isOwn: true,
    ...(message.metadata && { metadata: message.metadata }),
    ...(error && { error }),
  });
}
