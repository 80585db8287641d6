import { useInbox, useWebSocketEvent } from "@cossistant/react/websocket";
import { useState } from "react";

import type { Rows } from "../list/rows.js";
import { visitorName } from "../people/names.js";
import { goTo, openConversation } from "../route.js";
import { useSigned } from "../session/context.js";
import { settings } from "../settings/settings.js";
import { isLookedAt } from "./attention.js";
import { playSound } from "./sound.js";
import { showNotification } from "./system.js";
import { concerns, countWaiting, titleOf } from "./waiting.js";

/** How much of a message a notification shows, in characters. */
const BODY_MAX = 140;
/** How many conversations that the list does not show are remembered. */
const MISSED_MAX = 200;

/**
 * Tells the person of visitors' messages: by the title, and as they have chosen by sound and notification. `rows` knows
 * the list's conversations, as far as they are loaded.
 */
export function Notifier({ rows }: { rows: Rows }) {
  const { me, website } = useSigned();
  const { conversations } = useInbox(website.id);
  const [missed, setMissed] = useState<ReadonlySet<string>>(new Set());

  useWebSocketEvent("new_message", (message) => {
    const { conversationId, content, messageId } = message;
    const row = rows.get(conversationId);
    if (!concerns(message, row?.assignedTeamMemberId, me.sub)) return;
    if (isLookedAt() && openConversation() === conversationId) return;
    setMissed((old) => (old.has(conversationId) || old.size >= MISSED_MAX ? old : new Set([...old, conversationId])));
    const { hasSound, hasNotifications } = settings.get();
    if (hasSound) playSound();
    if (!hasNotifications || isLookedAt()) return;
    const title = visitorName(row?.visitor, row?.visitorId ?? message.senderId);
    const body = (content?.text || "An attachment").slice(0, BODY_MAX);
    showNotification({ tag: messageId, title, body, onClick: () => goTo(conversationId) });
  });
  useWebSocketEvent("conversation_seen", ({ conversationId, userId, userType }) => {
    if (userType !== "user" || userId !== me.sub) return;
    setMissed((old) => (old.has(conversationId) ? new Set([...old].filter((id) => id !== conversationId)) : old));
  });

  return <title>{titleOf(countWaiting(conversations, missed, me.sub), website.name)}</title>;
}
