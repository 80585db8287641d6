/** The client as applications see it. */

import type { ClientMessages } from "@cossistant/protocol/types";

import type { Client } from "./client.js";
import type { WebSocketConfig } from "./config.js";
import { createCore, type Core } from "./core.js";
import type { EngineInput } from "./engine/types.js";
import { RequestError } from "./errors.js";
import { clipDraft, isId } from "./frames.js";
import type { Refusal } from "./http.js";
import { engineConfig } from "./options.js";
import { newId } from "./outgoing.js";
import type { Pass } from "./perform.js";
import { createStores } from "./replica/stores.js";
import type { ReplicaSource } from "./replica/types.js";
import { createStore } from "./store.js";
import { holdAsTold } from "./wishes.js";

/** Makes a client. It does nothing, and needs neither a page nor a network, until it is connected or retained. */
export function createClient(config: WebSocketConfig = {}): Client {
  const core = createCore({ ...config });
  const { connection, events, lifetime, outgoing, pings, session, stats, status, wishes } = core;
  const handle = wishes.createHandle();

  const actions = {
    sendChatMessage(conversationId, content, metadata, options) {
      return outgoing.send(conversationId, content, { ...options, metadata });
    },
    startTyping: (conversationId) => typing(core, { type: "typingStart", conversationId }),
    stopTyping: (conversationId) => typing(core, { type: "typingStop", conversationId }),
    sendTypingProgress: (conversationId, content) =>
      typing(core, { type: "typingProgress", conversationId, text: clipDraft(content) }),
    request: (...asked) => withHttp((http) => http.request(core, ...asked)),
  } satisfies Partial<Client>;
  const stores = createStores(createSource(core, actions));

  return {
    ...actions,
    ...handle,
    connect: lifetime.connect,
    disconnect: lifetime.disconnect,
    retain: lifetime.retain,
    subscribe: status.subscribe,
    getSnapshot: status.getSnapshot,
    subscribeStats: stats.subscribe,
    getStats: stats.getSnapshot,
    addHandlers: events.add,
    on: events.on,
    createHandle: wishes.createHandle,
    sendMessage(message) {
      if (holdAsTold(handle, message)) return;
      switch (message.type) {
        case "send_message":
          return void outgoing.send(message.conversationId, message.content, message);
        case "typing_start":
          return actions.startTyping(message.conversationId);
        case "typing_stop":
          return actions.stopTyping(message.conversationId);
        case "typing_progress":
          return actions.sendTypingProgress(message.conversationId, message.content);
        default:
          passMessage(core, message);
      }
    },
    ping: pings.ping,
    getWebSocket: connection.socket,
    identify: (identityToken) => withHttp((http) => http.identify(core, identityToken)),
    configure(next) {
      core.config = next;
      session.input({ type: "configure", config: engineConfig(core) });
    },
    getQueuedMessages: () => outgoing.list().map(({ message, isSending }) => ({ ...message, isSending })),
    ...stores,
    destroy: () => destroy(core, stores.destroy),
  };
}

/** Does something with the code of requests. Without it a request has no answer, as without a network. */
async function withHttp<Answer>(use: (http: typeof import("./http.js")) => Promise<Answer>): Promise<Answer> {
  try {
    return await use(await import("./http.js"));
  } catch (error) {
    // Whatever is thrown without a status shows that there was no answer.
    const { status = 0, code, retryAfter, text } = error as Partial<Refusal>;
    throw new RequestError(status, (status && code) || "unavailable", retryAfter, text);
  }
}

/** Tells of a draft. The server closes on those who often name what cannot be. */
function typing(core: Core, input: EngineInput & { conversationId: string }): void {
  if (isId(input.conversationId)) core.session.input(input);
}

function passMessage(core: Core, message: ClientMessages): boolean {
  if ("conversationId" in message && !isId(message.conversationId)) return false;
  const pass: Pass = { type: "pass", text: JSON.stringify(message), isSent: false };
  // Behind what is being handled it has yet to come to its turn; then the present state is the best that is known.
  const { session, status } = core;
  return session.input(pass) && (pass.isSent || (session.isHandling() && status.getSnapshot().isConnected));
}

/** What the replica needs. */
function createSource(
  core: Core,
  { request, sendTypingProgress, stopTyping }: Pick<Client, "request" | "sendTypingProgress" | "stopTyping">,
): ReplicaSource {
  const { facts, outgoing, status, wishes } = core;
  return {
    onFact: facts.add,
    identity: () => status.getSnapshot().identity,
    outgoing: outgoing.list,
    subscriptionState: wishes.state,
    hold: wishes.hold,
    send: (conversationId, content, options) =>
      outgoing.send(conversationId, typeof content === "string" ? { text: content } : content, options),
    // What is to be marked as seen has a place.
    pass: (message) => passMessage(core, message as ClientMessages),
    typing(conversationId, text) {
      sendTypingProgress(conversationId, text);
      if (!text) stopTyping(conversationId);
    },
    stopTyping,
    request,
    createId: newId,
    createStore,
    now: Date.now,
  };
}

function destroy(core: Core, endStores: () => void): void {
  if (core.isDestroyed) return;
  core.lifetime.disconnect();
  core.isDestroyed = true;
  core.extras?.end();
  core.session.end();
  core.connection.close(1000);
  core.outgoing.allFailed("not_connected");
  core.pings.failed();
  endStores();
}
