/** Messages that are neither acknowledged nor failed: what they say, and who waits for them. */

import { MAX_KEY_LENGTH, MAX_TEXT_LENGTH, type MessageAck, type MessageContent } from "@cossistant/protocol/types";

import type { SendOptions } from "./client.js";
import type { Core } from "./core.js";
import type { EngineInput } from "./engine/types.js";
import { SendError, type SendErrorCode } from "./errors.js";
import { byteLength, isId } from "./frames.js";
import { engineConfig } from "./options.js";
import type { DeliveryChange, OutgoingMessage } from "./replica/types.js";

interface Entry {
  readonly message: OutgoingMessage;
  /** The frame, made once: sent again it must say the same. */
  readonly text: string;
  isSending: boolean;
  /** Who waits for its end; nobody for one of an earlier page. */
  resolve?(ack: MessageAck): void;
  reject?(error: SendError): void;
}

/** The messages of a client, in the order in which they were sent. */
export interface Outgoing {
  /** Sends a message. The promise may be ignored. */
  send(conversationId: string, content: MessageContent, options: SendOptions): Promise<MessageAck>;
  /** Takes in messages of an earlier page, before all others. */
  restore(messages: readonly OutgoingMessage[]): void;
  /** The frame of a message that goes now. */
  transmit(id: string): string | undefined;
  /** A message is stored. */
  acked(id: string, ack: MessageAck): void;
  /** A message failed for good. */
  failed(id: string, code: SendErrorCode, details?: SendError["details"], text?: string): void;
  /** All messages failed for good. */
  allFailed(code: SendErrorCode): void;
  /** A message, or all, wait again. */
  halted(id?: string): void;
  /** All of them. */
  list(): readonly { readonly message: OutgoingMessage; readonly isSending: boolean }[];
  /** How many. */
  size(): number;
  /** What a new engine must be told. */
  replay(): EngineInput[];
}

/** Makes an empty list. */
export function createOutgoing(core: Core): Outgoing {
  let entries = new Map<string, Entry>();

  /** Until it is known whose they are, messages are kept by the tab alone: at once, since a page may go at any time. */
  const note = () => {
    try {
      sessionStorage[core.journal] = JSON.stringify([...entries.values()].map(({ message }) => message));
    } catch {
      // Without room, or where there is no such storage, they are in memory.
    }
  };

  const tell = (change: DeliveryChange) => {
    core.status.change();
    core.extras?.note(change);
    if (!core.isReady && !core.isDestroyed) note();
    core.facts.emit({ type: "delivery", change });
    if (change.type !== "failed") return;
    const { id, conversationId } = change.message;
    core.events.tell("onMessageFailed", { id, conversationId, error: change.error });
  };

  const toInput = ({ message: { id, conversationId, queuedAt } }: Entry): EngineInput => ({
    type: "send",
    id,
    conversationId,
    age: Math.max(0, Date.now() - queuedAt),
  });

  /** Why a message cannot wait while there is no engine to judge. */
  const refusal = () => {
    const { enableMessageQueue, maxQueueSize } = engineConfig(core);
    if (core.isDestroyed || !enableMessageQueue) return "not_connected";
    return entries.size > maxQueueSize ? "queue_full" : undefined;
  };

  const fail = ({ message, reject }: Entry, code: SendErrorCode, details?: SendError["details"], text?: string) => {
    const error = new SendError(code, message.id, details, text);
    entries.delete(message.id);
    reject?.(error);
    tell({ type: "failed", message, error });
  };

  return {
    send(conversationId, content, { id = newId(), metadata, visibility }) {
      const promise = new Promise<MessageAck>((resolve, reject) => {
        // Told to the caller alone: to all others the id means the message that is under way.
        if (entries.has(id)) return reject(new SendError("duplicate_id", id));
        const said = { id, conversationId, content, metadata, visibility, queuedAt: Date.now() };
        const entry: Entry = { ...createEntry(said), resolve, reject };
        const path = faultIn(entry);
        if (path !== undefined) return fail(entry, "invalid_message", { path, reason: "breaks a rule" });
        if (byteLength(entry.text) > core.maxBytes) return fail(entry, "too_large");
        entries.set(id, entry);
        tell({ type: "queued", message: entry.message });
        const code = core.isReady && core.session.input(toInput(entry)) ? undefined : refusal();
        if (code) fail(entry, code);
      });
      // Who ignores the promise is told by `onMessageFailed`.
      promise.catch(() => {});
      return promise;
    },

    restore(messages) {
      const isNew = (entry: Entry) => faultIn(entry) === undefined && !entries.has(entry.message.id);
      const restored = messages.map(createEntry).filter(isNew);
      entries = new Map([...restored.map((entry) => [entry.message.id, entry] as const), ...entries]);
      for (const { message } of restored) tell({ type: "queued", message });
    },

    transmit(id) {
      const entry = entries.get(id);
      if (entry && !entry.isSending) {
        entry.isSending = true;
        tell({ type: "sending", message: entry.message });
      }
      return entry?.text;
    },

    acked(id, ack) {
      const entry = entries.get(id);
      if (!entry) return;
      entries.delete(id);
      entry.resolve?.(ack);
      tell({ type: "sent", message: entry.message, ack });
    },

    failed(id, ...why) {
      const entry = entries.get(id);
      if (entry) fail(entry, ...why);
    },

    allFailed(code) {
      for (const entry of [...entries.values()]) fail(entry, code);
    },

    halted(id) {
      for (const entry of [...entries.values()]) {
        if (!entry.isSending || (id !== undefined && id !== entry.message.id)) continue;
        entry.isSending = false;
        tell({ type: "queued", message: entry.message });
      }
    },

    list: () => [...entries.values()],
    size: () => entries.size,
    replay: () => [...entries.values()].map(toInput),
  };
}

/** An entry for a message. What it says is a copy that nobody else has; of what is no JSON there is no frame. */
function createEntry({ queuedAt, ...said }: OutgoingMessage): Entry {
  let text = "";
  try {
    text = JSON.stringify({ type: "send_message", ...said });
  } catch {
    // A circle, or a number that JSON has no word for.
  }
  const { content, metadata } = text ? (JSON.parse(text) as OutgoingMessage) : said;
  const message = Object.freeze({ ...said, content, metadata, queuedAt });
  return { message, text, isSending: false };
}

/**
 * Where a message is impossible or pointless to send. All else the server judges, by the id of the message; a frame with
 * half a character has none, since it is no JSON to the server.
 */
function faultIn({ message: { id, conversationId, content }, text }: Entry): string | undefined {
  const isText = (value = "", max: number) => new RegExp(`^[^\\0\\p{Surrogate}]{0,${max}}$`, "u").test(value);
  const rules = {
    conversationId: isId(conversationId),
    id: id && isText(id, MAX_KEY_LENGTH),
    content: content?.text || content?.html || content?.attachments?.length,
    "content.text": isText(content?.text, MAX_TEXT_LENGTH),
    // Only of half a character JSON writes the number, and only behind an odd number of backslashes it is one.
    "": text && !/[^\\](\\\\)*\\ud[89a-f]/.test(text),
  };
  return Object.entries(rules).find(([, isKept]) => !isKept)?.[0];
}

/** An id that nobody else makes. Also where `randomUUID` is missing, which is on pages without TLS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
}
