/** Messages that are neither acknowledged nor failed: what they say, and who waits for them. */

import type { MessageAck, MessageContent } from "@cossistant/protocol/types";
import { contentFault, type Fault } from "@cossistant/protocol/validate";

import type { SendOptions } from "./client.js";
import type { EngineInput } from "./engine/types.js";
import { SendError, type SendErrorCode } from "./errors.js";
import { byteLength, isId } from "./frames.js";
import type { DeliveryChange, OutgoingMessage } from "./replica/types.js";

/** What a message says, and where. */
type Said = Omit<OutgoingMessage, "queuedAt">;

interface Entry {
  readonly message: OutgoingMessage;
  /** The frame, made once: sent again it must say the same. */
  readonly text: string;
  isSending: boolean;
  readonly resolve: (ack: MessageAck) => void;
  readonly reject: (error: SendError) => void;
}

/** What the outgoing messages need of the client. */
export interface OutgoingHost {
  /** Hands an input to the engine; whether there is one that takes it. */
  input(input: EngineInput): boolean;
  /** Told of each step of each message. */
  tell(change: DeliveryChange): void;
  /** Why a message cannot wait, as one of so many, while there is no engine to judge. */
  refusal(count: number): SendErrorCode | undefined;
  /** The longest frame, in bytes, as far as is known. */
  maxBytes(): number;
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
export function createOutgoing(host: OutgoingHost): Outgoing {
  let entries = new Map<string, Entry>();

  const toInput = ({ id, conversationId, queuedAt }: OutgoingMessage): EngineInput => ({
    type: "send",
    id,
    conversationId,
    age: Math.max(0, Date.now() - queuedAt),
  });

  const fail = (entry: Entry, error: SendError) => {
    entry.reject(error);
    host.tell({ type: "failed", message: entry.message, error });
  };

  const take = (id: string) => {
    const entry = entries.get(id);
    entries.delete(id);
    return entry;
  };

  const halt = (entry: Entry | undefined) => {
    if (!entry?.isSending) return;
    entry.isSending = false;
    host.tell({ type: "queued", message: entry.message });
  };

  return {
    send(conversationId, content, { id = newId(), metadata, visibility }) {
      const said = { id, conversationId, content, metadata, visibility };
      const { promise, fault, ...entry } = createEntry(said, Date.now());
      if (entries.has(id)) {
        // Told to the caller alone: to all others the id means the message that is under way.
        entry.reject(new SendError("duplicate_id", id));
      } else if (fault) {
        fail(entry, new SendError("invalid_message", id, fault, `invalid message: ${fault.path} ${fault.reason}`));
      } else if (byteLength(entry.text) > host.maxBytes()) {
        fail(entry, new SendError("too_large", id));
      } else {
        entries.set(id, entry);
        host.tell({ type: "queued", message: entry.message });
        const refusal = host.input(toInput(entry.message)) ? undefined : host.refusal(entries.size);
        if (refusal) fail(take(id) ?? entry, new SendError(refusal, id));
      }
      return promise;
    },

    restore(messages) {
      const restored = new Map<string, Entry>();
      for (const message of messages) {
        const entry = createEntry(message, message.queuedAt);
        if (!entry.fault && !entries.has(message.id)) restored.set(message.id, entry);
      }
      entries = new Map([...restored, ...entries]);
      for (const { message } of restored.values()) host.tell({ type: "queued", message });
    },

    transmit(id) {
      const entry = entries.get(id);
      if (entry && !entry.isSending) {
        entry.isSending = true;
        host.tell({ type: "sending", message: entry.message });
      }
      return entry?.text;
    },

    acked(id, ack) {
      const entry = take(id);
      if (!entry) return;
      entry.resolve(ack);
      host.tell({ type: "sent", message: entry.message, ack });
    },

    failed(id, code, details, text) {
      const entry = take(id);
      if (entry) fail(entry, new SendError(code, id, details, text));
    },

    halted(id) {
      if (id !== undefined) halt(entries.get(id));
      else for (const entry of entries.values()) halt(entry);
    },

    list: () => [...entries.values()].map(({ message, isSending }) => ({ message, isSending })),
    size: () => entries.size,
    replay: () => [...entries.values()].map(({ message }) => toInput(message)),
  };
}

/** An entry for a frame, or what is wrong with it. What it says is a copy that nobody else has. */
function createEntry(
  { id, conversationId, content, metadata, visibility }: Said,
  queuedAt: number,
): Entry & { readonly promise: Promise<MessageAck>; readonly fault: Fault | undefined } {
  let resolve: Entry["resolve"] = () => {};
  let reject: Entry["reject"] = () => {};
  const promise = new Promise<MessageAck>((onAck, onFailure) => {
    resolve = onAck;
    reject = onFailure;
  });
  // Who ignores the promise is told by `onMessageFailed`.
  promise.catch(() => {});
  let said: Said = { id, conversationId, content, metadata, visibility };
  let text = "";
  let fault: Fault | undefined;
  try {
    text = JSON.stringify({ type: "send_message", ...said });
    said = JSON.parse(text);
    fault = faultOf(said);
  } catch {
    fault = { path: "", reason: "must be JSON" };
  }
  const copy = { content: said.content, metadata: said.metadata };
  const message = Object.freeze({ id, conversationId, ...copy, visibility, queuedAt });
  return { message, text, isSending: false, resolve, reject, promise, fault };
}

/** What the server would find wrong. */
function faultOf({ id, conversationId, content, metadata }: Said): Fault | undefined {
  if (!isId(conversationId)) return { path: "conversationId", reason: "has a wrong form" };
  if (!/^.{1,64}$/.test(id)) return { path: "id", reason: "must have 1 to 64 characters" };
  const fault = contentFault(content);
  if (fault) return { path: fault.path ? `content.${fault.path}` : "content", reason: fault.reason };
  // Both objects of free form have the same rules.
  return metadata && contentFault({ text: "-", metadata });
}

/** An id that nobody else makes. Also where `randomUUID` is missing, which is on pages without TLS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
}
