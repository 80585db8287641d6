/** The messages of this client that are not stored: waiting, on their way, or failed. They outlive every screen. */

import type { NewMessage } from "@cossistant/protocol/types";

import type { SendError } from "../errors.js";
import type { Identity } from "../state.js";
import { isSelf } from "./timeline.js";
import type { ConversationMessage, DeliveryState, OutgoingMessage } from "./types.js";

/** How many failed messages are kept; of more, the oldest go. */
export const FAILED_MAX = 200;

/** A message that is not stored, and how it is shown. */
export interface Unsent {
  readonly message: OutgoingMessage;
  readonly shown: ConversationMessage;
}

/** See above. */
export interface Outbox {
  /** A message has come so far. Its place among the others is that of its first showing. */
  set(message: OutgoingMessage, delivery: DeliveryState, error?: SendError): void;
  /** A message is stored, or taken away; gives what was shown of it. */
  take(id: string): ConversationMessage | undefined;
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

  const outbox: Outbox = {
    set(message, delivery, error) {
      const { id, queuedAt, visibility = "public", ...said } = message;
      const { userType = "visitor", userId = "" } = self() ?? {};
      const shown = Object.freeze({
        ...said,
        visibility,
        key: outbox.keyOf(id),
        clientMessageId: id,
        senderType: userType,
        senderId: userId,
        createdAt: new Date(queuedAt).toISOString(),
        delivery,
        isDeleted: false,
        isOwn: true,
        ...(error && { error }),
      });
      entries.set(id, { message, shown });
      const failed = [...entries.keys()].filter((other) => entries.get(other)?.shown.error);
      failed.slice(0, -FAILED_MAX).forEach(outbox.take);
    },
    take(id) {
      const shown = entries.get(id)?.shown;
      entries.delete(id);
      return shown;
    },
    settle({ clientMessageId = "", conversationId, senderType, senderId }) {
      const isHere = entries.get(clientMessageId)?.message.conversationId === conversationId;
      if (isHere && isSelf(self(), senderType, senderId)) entries.delete(clientMessageId);
    },
    of: (conversationId) => [...entries.values()].filter(({ message }) => message.conversationId === conversationId),
    keyOf: (id) => keys.get(id) ?? id,
    rename: (id, newId) => void keys.set(newId, outbox.keyOf(id)),
    refresh() {
      for (const { message, shown } of entries.values()) outbox.set(message, shown.delivery, shown.error);
    },
  };
  return outbox;
}
