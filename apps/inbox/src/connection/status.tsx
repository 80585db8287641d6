import { useConnection } from "@cossistant/react/websocket";
import { useState } from "react";

import { troubleOf } from "./state.js";

/**
 * Says to screen readers that the connection is lost, and that it is there again. It stays in the page: of what comes
 * together with its words, many say nothing.
 */
export function ConnectionStatus() {
  const connection = useConnection();
  const reason = troubleOf(connection)?.reason;
  const [wasLost, setLost] = useState(false);
  if (reason !== undefined && !wasLost) setLost(true);
  const isBack = wasLost && connection.state === "connected";
  return (
    <p className="hidden" role="status" data-testid="connection-status">
      {reason ?? (isBack ? "The connection is there again." : "")}
    </p>
  );
}
