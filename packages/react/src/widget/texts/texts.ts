/** Everything that the widget says, by what it is for. */

import { includedLanguage, type LauncherTexts, type SupportLanguage } from "./launcher.js";

/** The texts of one language. A language that lacks one does not compile. */
export interface SupportTexts extends LauncherTexts {
  /** The name of the panel, when the site gives none. */
  title: string;
  /** The first line of an empty conversation. */
  greeting: string;
  /** What stands below it. */
  introduction: string;
  /** A person of the team is there. */
  online: string;
  /** Somebody is there; whether it is a person is not known. */
  onlineSomebody: string;
  /** Only an AI agent is there. */
  onlineAgent: string;
  /** Nobody of the team is there. */
  away: string;
  /** Whether somebody is there is not known yet. */
  connecting: string;
  /** The list of messages, for screen readers. */
  messages: string;
  /** The label of the text field. */
  message: string;
  /** What stands in the empty text field. */
  placeholder: string;
  /** Sends what is written. */
  send: string;
  /** Opens the field for an attachment's address. */
  attach: string;
  /** The label of that field. */
  attachmentUrl: string;
  /** Takes the address. */
  add: string;
  /** The address is none of the web. */
  badUrl: string;
  /** No more attachments can be added. */
  tooManyAttachments: string;
  /** Takes the attachment of this name away. */
  removeAttachment(name: string): string;
  /** Opens the choice of emoji. */
  emoji: string;
  /** Asks for a person. */
  person: string;
  /** The message that is sent for it. */
  personMessage: string;
  /** A person has been asked for, and none has answered yet. */
  personAsked: string;
  /** Turns the sound on, or off. */
  soundOn: string;
  soundOff: string;
  /** A member of the team without a name. */
  team: string;
  /** An AI agent without a name. */
  agent: string;
  /** The mark of AI agents, for screen readers. */
  aiMark: string;
  /** One's own messages, for screen readers. */
  you: string;
  /** Somebody of this name writes. */
  writes(name: string): string;
  /** How far a message has come. */
  queued: string;
  sending: string;
  sent: string;
  seen: string;
  failed: string;
  /** Sends a failed message again. */
  retry: string;
  /** Takes a failed message away. */
  discard: string;
  /** In place of a message that was deleted. */
  deleted: string;
  /** Behind the time of a message that was changed. */
  edited: string;
  /** The line above what came while the panel was closed. */
  newMessages: string;
  /** Leads to the newest message. */
  toNewest: string;
  /** Older messages are on their way. */
  loading: string;
  /** Older messages could not be had. */
  loadFailed: string;
  /** There is no connection. */
  offline: string;
  /** How many messages wait for one. */
  waiting(count: number): string;
  /** When the next attempt begins. */
  retryIn(seconds: number): string;
  /** Begins it at once. */
  retryNow: string;
  /** The connection is there again, for screen readers. */
  backOnline: string;
  /** The server refuses this visitor. */
  stopped: string;
  /** The team has closed the conversation for good. */
  closed: string;
  /** Begins another one. */
  startNew: string;
  /** The team takes the conversation for answered. */
  resolved: string;
  /** The label of the suggested questions. */
  questions: string;
  /** A picture of this name. */
  image(name: string): string;
  /** What is said of links that open another tab. */
  newTab: string;
}

const LOADERS: Record<SupportLanguage, () => Promise<SupportTexts>> = {
  en: async () => (await import("./en.js")).en,
  fr: async () => (await import("./fr.js")).fr,
  de: async () => (await import("./de.js")).de,
};

/** The texts of the included language that is nearest to a tag such as `fr-CA`; each language is a chunk of its own. */
export function loadTexts(tag: string): Promise<SupportTexts> {
  return LOADERS[includedLanguage(tag)]();
}
