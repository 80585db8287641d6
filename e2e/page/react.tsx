/** A page with a small chat in React, in StrictMode, as an application would write it. */

import { useConnection, useConversation, useWebSocket, WebSocketProvider } from "@cossistant/react/websocket";
import { StrictMode, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

import { pageConfig, pageOptions } from "./options.js";

const options = pageOptions();
const config = pageConfig(options);
const [conversationId = "none"] = options.conversations ?? [];

/** How often each component rendered, for tests. */
const renders = { pill: 0, chat: 0, quiet: 0 };
declare global {
  interface Window {
    renders: typeof renders;
  }
}
window.renders = renders;

/** Shows how the connection stands. */
function Pill() {
  renders.pill += 1;
  const isConnected = useConnection().state === "connected";
  return <p id="state">{isConnected ? "connected" : "not connected"}</p>;
}

/** Uses the connection's functions and shows nothing of it. */
function Quiet() {
  renders.quiet += 1;
  const { sendChatMessage } = useWebSocket();
  const first = useRef(sendChatMessage);
  return <p id="identity">{first.current === sendChatMessage ? "same" : "changed"}</p>;
}

/** Messages and a form. */
function Chat() {
  renders.chat += 1;
  const { messages, send, setTyping, typing } = useConversation(conversationId);
  const [draft, setDraft] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send(draft);
        setDraft("");
      }}
    >
      <ol>
        {messages.map((message) => (
          <li key={message.key} data-delivery={message.delivery}>
            {message.content?.text}
          </li>
        ))}
      </ol>
      <p id="typing">{typing.map(({ text, userId }) => text ?? userId).join()}</p>
      <input
        value={draft}
        onChange={(event) => {
          setDraft(event.target.value);
          setTyping(event.target.value);
        }}
      />
    </form>
  );
}

function App() {
  const [isShown, setShown] = useState(true);
  return (
    <>
      <button type="button" onClick={() => setShown(!isShown)}>
        {isShown ? "hide" : "show"}
      </button>
      {isShown && (
        // A new object in each render, as people write it.
        <WebSocketProvider config={{ ...config }} handlers={{ onNewMessage: (it) => void window.report({ name: "onNewMessage", data: it }) }}>
          <Pill />
          <Quiet />
          <Chat />
        </WebSocketProvider>
      )}
    </>
  );
}

createRoot(document.getElementById("root") ?? document.body).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
