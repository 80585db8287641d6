import { useConversation } from "@cossistant/react/websocket";
import { useEffect, useState } from "react";

import type { Rows } from "../list/rows.js";

/** For how long a pointer rests on a row before its conversation is loaded, in ms: passing over it is no wish. */
const REST = 80;

interface WarmersProps {
  rows: Rows;
  openId: string | undefined;
}

/** Loads what will probably be opened next, so that it is there at once: what the pointer rests on, and the neighbours. */
export function Warmers({ rows, openId }: WarmersProps) {
  const [pointed, point] = useState<string>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listen = ({ target }: Event): void => {
      clearTimeout(timer);
      const row = target instanceof Element ? target.closest<HTMLElement>("[data-conversation]") : null;
      if (row) timer = setTimeout(() => point(row.dataset["conversation"]), REST);
    };
    document.addEventListener("pointerover", listen);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("pointerover", listen);
    };
  }, []);
  const beside = openId === undefined ? [] : [rows.beside(openId, 1), rows.beside(openId, -1)];
  const wanted = new Set([pointed, ...beside].filter((id) => id !== undefined && id !== openId));
  return [...wanted].map((id) => <Warm key={id} conversationId={id ?? ""} />);
}

/** Keeps a conversation loaded and shows nothing. */
function Warm({ conversationId }: { conversationId: string }) {
  useConversation(conversationId);
  return null;
}
