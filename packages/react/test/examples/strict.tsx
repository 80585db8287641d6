/** A small shop's chat, written as people write it: with types where the compiler asks for them. */

import { useEffect, useState, type ReactNode } from "react";

import {
  useWebSocket,
  useWebSocketDirect,
  WebSocketProvider,
  type WebSocketEventHandlers,
} from "@cossistant/react/websocket";

/** What the shop writes down. */
export const journal: string[] = [];

/** Everything inline: another object, and other functions, with each render. */
export function Shop({ url, children }: { url: string; children: ReactNode }) {
  return (
    <WebSocketProvider
      config={{
        url,
        autoReconnect: true,
        debug: process.env.NODE_ENV === "development",
      }}
      handlers={{
        onNewMessage: (message) => {
          journal.push(`message ${message.content?.text}`);
        },
        onTypingProgress: (message) => {
          journal.push(`draft ${message.content}`);
        },
      }}
    >
      {children}
    </WebSocketProvider>
  );
}

/** A conversation: subscribes in an effect, sends, and tells what is typed. */
export function HelpDesk() {
  const { isConnected, subscribeToConversation, sendChatMessage, sendTypingProgress, startTyping, stopTyping } = useWebSocket();
  const conversationId = "order-17";
  const [draft, setDraft] = useState("");

  useEffect(() => {
    if (isConnected) {
      subscribeToConversation(conversationId);
    }
  }, [isConnected, conversationId]);

  const submit = (text: string) => {
    sendChatMessage(conversationId, { text });
    setDraft("");
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit(draft);
      }}
    >
      <output>{isConnected ? "We are here." : "One moment …"}</output>
      <input
        aria-label="Your question"
        value={draft}
        onFocus={() => startTyping(conversationId)}
        onBlur={() => stopTyping(conversationId)}
        onChange={(event) => {
          setDraft(event.target.value);
          if (event.target.value) {
            sendTypingProgress(conversationId, event.target.value);
          }
        }}
      />
    </form>
  );
}

/** How the connection does. */
export function LineMonitor() {
  const { stats, isConnected } = useWebSocket();
  return (
    <dl>
      <dt>Line</dt>
      <dd>{isConnected ? "up" : "down"}</dd>
      <dt>Sent</dt>
      <dd>{stats.messagesSent}</dd>
      <dt>Received</dt>
      <dd>{stats.messagesReceived}</dd>
      <dt>Tried again</dt>
      <dd>{stats.reconnectAttempts}</dd>
      {stats.lastError && <dd>{stats.lastError}</dd>}
    </dl>
  );
}

/** An object of handlers with a type of its own. */
export const bookkeeping: WebSocketEventHandlers = {
  onOpen: (event) => {
    journal.push(`open ${event.type}`);
  },
  onClose: (event) => {
    journal.push(`close ${event.code} ${event.reason}`);
  },
  onError: (event) => {
    journal.push(`error ${event.type}`);
  },
  onMessage: (message) => {
    journal.push(`any ${message.type}`);
  },
  onNewMessage: (message) => {
    journal.push(`message ${message.content?.text}`);
  },
  onTypingProgress: (message) => {
    journal.push(`draft ${message.content}`);
  },
  onTypingIndicator: (message) => {
    journal.push(`typing ${message.isTyping}`);
  },
  onConversationStatusChange: (message) => {
    journal.push(`status ${message.status}`);
  },
  onVisitorPresence: (message) => {
    journal.push(`presence ${message.type}`);
  },
  onReconnectAttempt: (attemptNumber) => {
    journal.push(`attempt ${attemptNumber}`);
  },
  onReconnectSuccess: () => {
    journal.push("back");
  },
  onReconnectFail: () => {
    journal.push("gone for good");
  },
};

/** A component with a connection of its own. */
export function Standalone({ url }: { url: string }) {
  const websocket = useWebSocketDirect({
    config: {
      url,
      autoReconnect: true,
    },
    handlers: {
      onNewMessage: (message) => {
        journal.push(`alone ${message.content?.text}`);
      },
    },
  });

  return <output>{websocket.isConnected ? "up" : "down"}</output>;
}
