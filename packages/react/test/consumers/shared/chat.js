"use client";

// Plain JavaScript without JSX: nothing here needs a loader or a plugin of any bundler.
import { WebSocketProvider, useConnection, useConversation } from "@cossistant/react/websocket";
import { createElement, useState } from "react";

function Conversation({ id }) {
  const isConnected = useConnection().state === "connected";
  const { messages, send } = useConversation(id);
  const [draft, setDraft] = useState("");
  const submit = (event) => {
    event.preventDefault();
    send(draft);
    setDraft("");
  };
  return createElement(
    "form",
    { onSubmit: submit },
    createElement("p", { id: "state" }, isConnected ? "connected" : "not connected"),
    createElement(
      "ol",
      null,
      messages.map((message) => createElement("li", { key: message.key, "data-delivery": message.delivery }, message.content?.text)),
    ),
    createElement("input", { "aria-label": "Message", value: draft, onChange: (event) => setDraft(event.target.value) }),
  );
}

/** A chat; where and as whom is told by the page's address. */
export function Chat({ url, token, conversation }) {
  return createElement(
    WebSocketProvider,
    { config: { url, getToken: () => token } },
    createElement(Conversation, { id: conversation }),
  );
}
