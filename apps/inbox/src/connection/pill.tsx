import { useConnection } from "@cossistant/react/websocket";

import { troubleOf } from "./state.js";

/** A word on the connection, only while it is not well. */
export function ConnectionPill() {
  const trouble = troubleOf(useConnection());
  if (!trouble) return null;
  return <span className={trouble.isPassing ? "pill" : "pill bad"}>{trouble.isPassing ? "Reconnecting" : "Disconnected"}</span>;
}
