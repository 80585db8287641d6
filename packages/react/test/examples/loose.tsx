/** Screens without a type in them, in a project whose compiler does not ask for any. */

import { useEffect, useState } from "react";

import { useWebSocket, WebSocketProvider } from "@cossistant/react/websocket";

/** The team's screen: follows a whole website, and shows what visitors are writing. */
export function NightShift({ url }) {
  const [drafts, setDrafts] = useState({});

  const noteDraft = (message) => {
    if (message.userType === "visitor") {
      setDrafts((before) => ({ ...before, [message.conversationId]: message.content }));
    }
  };

  return (
    <WebSocketProvider config={{ url }} handlers={{ onTypingProgress: noteDraft }}>
      <Desk drafts={drafts} />
    </WebSocketProvider>
  );
}

function Desk({ drafts }) {
  const websocket = useWebSocket();
  const [conversations, setConversations] = useState([]);

  useEffect(() => {
    setConversations([{ id: "order-17" }, { id: "order-18" }]);
  }, []);

  useEffect(() => {
    if (websocket.isConnected) {
      websocket.subscribeToWebsite("shop");
    }
  }, [websocket.isConnected]);

  return (
    <div>
      {conversations.map((conversation) => (
        <section key={conversation.id}>
          <h3>{conversation.id}</h3>
          {drafts[conversation.id] && <q>{drafts[conversation.id]}</q>}
        </section>
      ))}
    </div>
  );
}

/** The visitor's screen. */
export function Corner() {
  const websocket = useWebSocket();
  const [conversationId] = useState("order-18");

  useEffect(() => {
    if (websocket.isConnected) {
      websocket.subscribeToConversation(conversationId);
    }
  }, [websocket.isConnected, conversationId]);

  const ask = (text) => {
    websocket.sendChatMessage(conversationId, { text });
  };

  return <button onClick={() => ask("Is it on its way?")}>Ask</button>;
}
