/** Each message finds its handler. */

import { describe, expect, test } from "vitest";

import type { ServerMessages } from "@cossistant/protocol/types";
import { createEvents } from "../src/events.js";

const HANDLERS: Record<ServerMessages["type"], string | null> = {
  connection_established: null,
  pong: null,
  authenticated: null,
  token_expiring: null,
  reconnect: null,
  subscription_ended: null,
  subscription_confirmed: "onSubscriptionConfirmed",
  subscription_error: "onSubscriptionError",
  message_ack: "onMessageAck",
  new_message: "onNewMessage",
  message_updated: "onMessageUpdated",
  conversation_created: "onConversationCreated",
  visitor_identified: "onVisitorIdentified",
  team_online: "onTeamPresence",
  team_offline: "onTeamPresence",
  conversation_status_changed: "onConversationStatusChange",
  conversation_assigned: "onConversationAssigned",
  conversation_seen: "onConversationSeen",
  typing_indicator: "onTypingIndicator",
  viewing_indicator: "onViewing",
  typing_progress: "onTypingProgress",
  agent_activity: "onAgentActivity",
  visitor_online: "onVisitorPresence",
  visitor_offline: "onVisitorPresence",
  error: "onServerError",
};

describe("each message has the handler that is named for it", () => {
  test.each(Object.entries(HANDLERS))("%s", (type, handler) => {
    const called: string[] = [];
    const events = createEvents();
    const handlers = new Proxy({}, { get: (_, name) => () => called.push(String(name)) });
    events.add(() => handlers);
    events.deliver({ type } as ServerMessages, true);
    // One who knows more handlers than there are is asked for a name that no message of another type has.
    expect(called[0]).toBe("onMessage");
    if (handler) expect(called).toEqual(["onMessage", handler]);
    else expect(Object.values(HANDLERS)).not.toContain(called[1]);
  });
});
