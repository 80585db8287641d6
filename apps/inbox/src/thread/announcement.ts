/** What a screen reader reads of new messages. */

import type { ConversationMessage } from "@cossistant/react/websocket";

/** How many are read at the most; of more, the last ones. */
const MAX = 5;
/** How much is read of one. */
const MAX_LENGTH = 1_000;

/** These messages in words, oldest first. `nameOf` says who wrote one. */
export function announcementOf(messages: readonly ConversationMessage[], nameOf: (message: ConversationMessage) => string): string {
  const read = messages.slice(-MAX).map((message) => `${nameOf(message)}: ${wordsOf(message)}`);
  if (messages.length > MAX) read.unshift(`${messages.length} new messages, the last of them`);
  return read.join("\n");
}

/** What a message says, and the names of what it brings. */
function wordsOf({ content }: ConversationMessage): string {
  const { text, html = "", attachments = [] } = content ?? {};
  const words = (text?.trim() || html.replace(/<[^>]*>/g, " ")).replace(/\s+/g, " ").trim();
  const all = [words, ...attachments.map(({ name }) => `Attachment: ${name}`)];
  return all.filter(Boolean).join(", ").slice(0, MAX_LENGTH);
}
