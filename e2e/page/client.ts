/** A page with nothing but the client. */

import { createClient, type WebSocketEventHandlers } from "@cossistant/client";

import { type PageEvent, pageConfig, pageOptions } from "./options.js";

const options = pageOptions();
const client = createClient(pageConfig(options));
const report = (name: string, data?: unknown): void => void window.report({ name, data } satisfies PageEvent);

/** The end of each message of this browser, kept at once: a report may be lost with the page, this is not. */
function settle(id: string, end: "acked" | "failed", code?: string): void {
  localStorage.setItem(`end:${id}`, code === undefined ? end : `${end} ${code}`);
}

const handlers: WebSocketEventHandlers = {
  onOpen: () => report("onOpen"),
  onClose: ({ code, reason }) => report("onClose", { code, reason }),
  onError: () => report("onError"),
  onMessage: (message) => report("onMessage", message),
  onMessageAck: (message) => {
    settle(message.id, "acked");
    report("onMessageAck", message);
  },
  onMessageFailed: ({ id, error }) => {
    settle(id, "failed", error.code);
    report("onMessageFailed", { id, code: error.code });
  },
  onSubscriptionError: (message) => report("onSubscriptionError", message),
  onResync: (channel) => report("onResync", channel),
  onStateChange: (state) => report("onStateChange", state),
  onVisitorChanged: () => report("onVisitorChanged"),
  onReconnectAttempt: (attempt) => report("onReconnectAttempt", attempt),
  onReconnectSuccess: () => report("onReconnectSuccess"),
  onReconnectFail: () => report("onReconnectFail"),
};
client.addHandlers(() => handlers);
for (const id of options.conversations ?? []) client.conversation(id).subscribe(() => undefined);
for (const id of options.websites ?? []) client.subscribeToWebsite(id);
const release = client.retain();

/** What tests call. */
const app = {
  client,
  createClient,
  release,
  /** Sends, and reports what the promise gave. */
  send(conversationId: string, text: string, id: string): void {
    localStorage.setItem(`sent:${id}`, text);
    client.sendChatMessage(conversationId, { text }, undefined, { id }).then(
      () => report("acked", id),
      (error: { code?: string; message: string }) => {
        settle(id, "failed", error.code);
        report("failed", { id, code: error.code, message: error.message });
      },
    );
  },
  /** The texts of a conversation as a screen would show them, with their delivery. */
  shown(conversationId: string): { text: string | undefined; delivery: string; seq: number | undefined; id: string | undefined }[] {
    const { messages } = client.conversation(conversationId).getSnapshot();
    return messages.map(({ content, delivery, seq, clientMessageId }) => ({ text: content?.text, delivery, seq, id: clientMessageId }));
  },
};

/** The page's surface for tests. */
export type App = typeof app;

declare global {
  interface Window {
    app: App;
  }
}
window.app = app;
