/** Who a visitor is. */

import { useWebSocketEvent } from "@cossistant/react/websocket";

import { useResource, type Resource } from "../resource.js";

/** What is known of a visitor. */
export interface Visitor {
  readonly visitorId: string;
  /** Told by the customer's own server, which signed it. */
  readonly identity?: { readonly externalId?: string; readonly email?: string; readonly name?: string };
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** The page that they were last on; whatever their browser said. */
  readonly page?: string;
}

/** A visitor, asked for again when something about them changes. */
export function useVisitor(visitorId: string | undefined): Resource<Visitor> & { reload: () => void } {
  const visitor = useResource<Visitor>(visitorId && `/v1/visitors/${encodeURIComponent(visitorId)}`);
  const refresh = (event: { visitorId: string }): void => {
    if (event.visitorId === visitorId) visitor.reload();
  };
  useWebSocketEvent("visitor_online", refresh);
  useWebSocketEvent("visitor_offline", refresh);
  useWebSocketEvent("visitor_identified", refresh);
  return visitor;
}
