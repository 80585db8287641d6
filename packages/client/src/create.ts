/** The client as applications see it. */

import type { ClientMessages } from "@cossistant/protocol/types";

import type { Client } from "./client.js";
import type { WebSocketConfig } from "./config.js";
import { createCore, type Core } from "./core.js";
import type { EngineInput } from "./engine/types.js";
import { RequestError } from "./errors.js";
import { clipDraft, isId } from "./frames.js";
import { engineConfig } from "./options.js";
import { newId } from "./outgoing.js";
import type { Pass } from "./perform.js";
import { createStores } from "./replica/stores.js";
import type { ReplicaSource } from "./replica/types.js";

/** Makes a client. It does nothing, and needs neither a page nor a network, until it is connected or retained. */
export function createClient(config: WebSocketConfig = {}): Client {
  const core = createCore({ ...config });
  const { connection, events, lifetime, outgoing, pings, session, stats, status, wishes } = core;
  const request: Client["request"] = async (...asked) => (await loadHttp()).request(core, ...asked);
  const stores = createStores(createSource(core, request));
  const handle = wishes.createHandle();

  const startTyping = (conversationId: string) => typing(core, { type: "typingStart", conversationId });
  const stopTyping = (conversationId: string) => typing(core, { type: "typingStop", conversationId });
  const sendTypingProgress = (conversationId: string, content: string) =>
    typing(core, { type: "typingProgress", conversationId, text: clipDraft(content) });

  return {
    connect: lifetime.connect,
    disconnect: lifetime.disconnect,
    retain: lifetime.retain,
    subscribe: status.subscribe,
    getSnapshot: status.getSnapshot,
    subscribeStats: stats.subscribe,
    getStats: stats.getSnapshot,
    addHandlers: events.add,
    on: events.on,
    ...handle,
    createHandle: wishes.createHandle,
    sendChatMessage: (conversationId, content, metadata, options) =>
      outgoing.send(conversationId, content, { ...options, metadata }),
    startTyping,
    stopTyping,
    sendTypingProgress,
    sendMessage(message) {
      switch (message.type) {
        case "send_message":
          return void outgoing.send(message.conversationId, message.content, message);
        case "subscribe_conversation":
          return handle.subscribeToConversation(message.conversationId);
        case "subscribe_website":
          return handle.subscribeToWebsite(message.websiteId);
        case "unsubscribe_conversation":
          return handle.unsubscribeFromConversation(message.conversationId);
        case "unsubscribe_website":
          return handle.unsubscribeFromWebsite(message.websiteId);
        case "typing_start":
          return startTyping(message.conversationId);
        case "typing_stop":
          return stopTyping(message.conversationId);
        case "typing_progress":
          return sendTypingProgress(message.conversationId, message.content);
        default:
          passMessage(core, message);
      }
    },
    ping: pings.ping,
    getWebSocket: connection.socket,
    identify: async (identityToken) => (await loadHttp()).identify(core, identityToken),
    request,
    configure(next) {
      core.config = next;
      session.input({ type: "configure", config: engineConfig(core) });
    },
    getQueuedMessages: () => outgoing.list().map(({ message, isSending }) => ({ ...message, isSending })),
    conversation: stores.conversation,
    inbox: stores.inbox,
    destroy: () => destroy(core, stores.destroy),
  };
}

/** The code of requests. Without it a request has no answer, as without a network. */
async function loadHttp() {
  try {
    return await import("./http.js");
  } catch {
    throw new RequestError(0, "unavailable");
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

function createSource(core: Core, request: ReplicaSource["request"]): ReplicaSource {
  const { outgoing, session, status, wishes } = core;
  return {
    onFact: core.facts.add,
    identity: () => status.getSnapshot().identity,
    outgoing: outgoing.list,
    subscriptionState: wishes.state,
    hold: wishes.hold,
    send: outgoing.send,
    // What is to be marked as seen has a place.
    pass: (message) => passMessage(core, message as ClientMessages),
    typing: (conversationId, text) => typing(core, { type: "typingProgress", conversationId, text: clipDraft(text) }),
    stopTyping: (conversationId) => typing(core, { type: "typingStop", conversationId }),
    request,
    createId: newId,
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
  for (const { message } of core.outgoing.list()) core.outgoing.failed(message.id, "not_connected");
  core.pings.failed();
  endStores();
}
